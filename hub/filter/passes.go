package filter

// Passes reports whether a record passes, asking the predicates about it. It is for
// single records, which are in no run: Ask keeps the answers. The error is that of a
// predicate that cannot decide.
func (f *Filter) Passes(r *Record) (bool, error) {
	if f.Nothing() {
		return false, nil
	}
	if !f.AnyKey() {
		key, ok := r.Key()
		if !ok {
			return false, nil
		}
		text := keyText(key)
		if i := f.Index(text); i == len(f.keys) || f.keys[i].text != text {
			return false, nil
		}
	}
	if !f.inSets(r) {
		return false, nil
	}
	for _, p := range f.where() {
		switch said, err := p.judge(r); said {
		case Yes:
		case No:
			return false, nil
		default:
			return false, err
		}
	}
	return true, nil
}
