package expr

import "sluice/hub/filter"

// Whole evaluates a rule on records as it stands, with the claims as a variable.
func (l *Language) Whole(r *Rule, claims []byte) *filter.Filter {
	p, err := l.predicateOf(l.rule, r.checked, r.text, bound{claims: membersOf(claims).value(), canonical: string(claims)})
	if err != nil {
		panic(err)
	}
	f := filter.Where(p)
	return &f
}
