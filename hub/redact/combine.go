package redact

import "slices"

// Union returns the redaction that hides what one of the redactions hides.
func Union(of ...*Redaction) (*Redaction, error) {
	var all []redacted
	opaque := false
	for _, r := range distinct(of) {
		if r != nil {
			all, opaque = append(all, r.paths...), opaque || r.opaque
		}
		if len(all) > maxCombined {
			return nil, ErrTooManyPaths
		}
	}
	return redactionOf(all, opaque), nil
}

// Intersection returns the redaction that hides what all of the redactions hide: nothing,
// without redactions.
func Intersection(of ...*Redaction) (*Redaction, error) {
	var both *Redaction
	for i, r := range distinct(of) {
		if r == nil {
			return nil, nil
		}
		if i == 0 {
			both = r
			continue
		}
		var err error
		if both, err = both.intersect(r); err != nil || both == nil {
			return nil, err
		}
	}
	return both, nil
}

func (r *Redaction) intersect(other *Redaction) (*Redaction, error) {
	if len(r.paths)*len(other.paths) > maxCombined*MaxPaths {
		return nil, ErrTooManyPaths
	}
	var all []redacted
	for _, a := range r.paths {
		for _, b := range other.paths {
			p, ok := within(a.path, b.path)
			if !ok {
				continue
			}
			one := redacted{path: p, action: min(a.action, b.action), text: p.String()}
			// Below a path, masked or not, nothing remains.
			switch n := len(a.path.segments) - len(b.path.segments); {
			case n > 0:
				one.action = a.action
			case n < 0:
				one.action = b.action
			}
			all = append(all, one)
		}
	}
	made := redactionOf(all, r.opaque && other.opaque)
	if made != nil && len(made.paths) > maxCombined {
		return nil, ErrTooManyPaths
	}
	return made, nil
}

// distinct leaves out redactions that are equal to others.
func distinct(of []*Redaction) []*Redaction {
	var kept []*Redaction
	for _, r := range of {
		if !slices.ContainsFunc(kept, r.Equal) {
			kept = append(kept, r)
		}
	}
	return kept
}
