package filter

// Denying returns the filter that passes the records that f passes, and does not pass
// those about which one of its predicates cannot decide; report is given each such
// failure. It is for the filter of a right: whoever reads through it has not written it
// and cannot mend it, so that a record which it fails on is left out, and is not the end
// of what can be read. report must be safe for concurrent use, and of equal filters that
// are asked about the same records only one reports.
func Denying(f Filter, report func(error)) Filter {
	if !f.HasPredicates() {
		return f
	}
	where := make([]*predicate, 0, len(f.where()))
	for _, p := range f.where() {
		switch p.of.(type) {
		case keyPrefix, since: // which always decide
		default:
			p = newPredicate(denying{p, report})
		}
		where = append(where, p)
	}
	return makeFilter(f.keys, f.FieldSets(), where)
}

// denying is a predicate that always decides.
type denying struct {
	of     *predicate
	report func(error)
}

// Canonical implements Predicate. It differs from that of the predicate that may fail.
func (d denying) Canonical() string { return "denying\x00" + d.of.id.Value() }

// Passes implements Predicate.
func (d denying) Passes(r *Record) (bool, error) {
	said, err := d.of.judge(r)
	if said == Failed {
		d.report(err)
	}
	return said == Yes, nil
}
