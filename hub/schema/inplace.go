package schema

// checkInPlace checks the schemas that apply to the same item.
func (r *run) checkInPlace(s *node, at int32, own marked) bool {
	ok := true
	if s.ref != nil {
		ok = r.check(s.ref, at, own)
	}
	if s.dynamic != nil {
		ok = r.check(r.resolve(s.dynamic), at, own) && ok
	}
	for _, sub := range s.allOf {
		if !ok && r.quiet > 0 {
			return false
		}
		ok = r.check(sub, at, own) && ok
	}
	if s.anyOf != nil {
		ok = r.checkAnyOf(s, at, own) && ok
	}
	if s.oneOf != nil {
		ok = r.checkOneOf(s, at, own) && ok
	}
	if s.not != nil && r.quietly(s.not, at, marked{}) {
		ok = r.fail(finding{what: keywordNot, at: at, of: s})
	}
	if s.condition != nil {
		ok = r.checkCondition(s, at, own) && ok
	}
	return ok
}

// checkCondition checks if, then and else.
func (r *run) checkCondition(s *node, at int32, own marked) bool {
	next := s.otherwise
	if r.quietly(s.condition, at, own) {
		next = s.then
	}
	return next == nil || r.check(next, at, own)
}

// resolve finds the schema of a dynamic reference.
func (r *run) resolve(to *dynamicRef) *node {
	if to.anchor != "" {
		for _, in := range r.scope {
			if s := in.dynamicAnchors[to.anchor]; s != nil {
				return s
			}
		}
	}
	return to.target
}

// checkAnyOf needs one alternative that fits. If members or elements are marked, it tries
// all, because each can have evaluated others.
func (r *run) checkAnyOf(s *node, at int32, own marked) bool {
	fits := false
	alternatives := r.alternatives()
	for i, sub := range s.anyOf {
		if alternatives.try(i, sub, at, own) {
			if fits = true; !own.used {
				break
			}
		}
	}
	alternatives.done()
	return fits || alternatives.tell(finding{what: keywordAnyOf, at: at, of: s, n: alternatives.closest})
}

// checkOneOf needs exactly one alternative that fits.
func (r *run) checkOneOf(s *node, at int32, own marked) bool {
	fits, twice := -1, -1
	alternatives := r.alternatives()
	for i, sub := range s.oneOf {
		if fits < 0 && alternatives.try(i, sub, at, own) {
			fits = i
			continue
		}
		if fits >= 0 && r.quietly(sub, at, marked{}) {
			twice = i
			break
		}
	}
	alternatives.done()
	switch {
	case twice >= 0:
		return r.fail(finding{what: keywordOneOf, at: at, of: s, n: fits, m: twice})
	case fits < 0:
		return alternatives.tell(finding{what: keywordOneOf, at: at, of: s, n: alternatives.closest, m: -1})
	}
	return true
}

// alternatives keeps what is wrong with the alternative that is the closest: the one with
// the fewest violations, the first of several.
type alternatives struct {
	r        *run
	begin    int  // where the findings of alternatives begin
	more     bool // run.more before
	closest  int
	findings []finding
	others   bool // run.more of the closest
	tried    bool
}

func (r *run) alternatives() alternatives {
	return alternatives{r: r, begin: len(r.found), more: r.more}
}

// try checks an alternative.
func (a *alternatives) try(i int, s *node, at int32, own marked) bool {
	a.r.more = a.more
	ok := a.r.check(s, at, own)
	found := a.r.found[a.begin:]
	if !ok && a.r.quiet == 0 && (!a.tried || len(found) < len(a.findings)) {
		a.closest, a.tried, a.others = i, true, a.r.more
		a.findings = append(a.findings[:0], found...)
	}
	a.r.found = a.r.found[:a.begin]
	return ok
}

// done ends the attempts.
func (a *alternatives) done() { a.r.more = a.more }

// tell reports that no alternative fits, and what is wrong with the closest one. It
// returns false.
func (a *alternatives) tell(f finding) bool {
	a.r.fail(f)
	for _, f := range a.findings {
		a.r.fail(f)
	}
	a.r.more = a.r.more || a.others && a.r.quiet == 0
	return false
}
