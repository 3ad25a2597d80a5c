package expr

import "sluice/hub/filter"

// Whole evaluates a rule on records as it stands, with the claims as a variable.
func (l *Language) Whole(r *Rule, claims []byte) *filter.Filter {
	p, _, err := l.predicateOf(l.rule, r.text, bound{claims: membersOf(claims).value(), canonical: string(claims)})
	if err != nil {
		panic(err)
	}
	f := filter.Where(p)
	return &f
}

// CompileAlone compiles a client's text without looking for it among those that are kept.
// It returns also about how many bytes the filter takes.
func (l *Language) CompileAlone(text string) (filter.Filter, int, error) {
	made, err := l.compile(text)
	return made.filter, made.bytes, err
}

// HoldTurns takes all turns to compile, until release.
func (l *Language) HoldTurns() (release func()) {
	for range cap(l.turns) {
		l.turns <- struct{}{}
	}
	return func() {
		for range cap(l.turns) {
			<-l.turns
		}
	}
}
