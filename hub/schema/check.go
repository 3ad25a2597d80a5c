package schema

// checkAll checks all keywords. If the type is wrong, what else is wrong with the value is
// of no use to anybody.
func (r *run) checkAll(s *node, at int32, up marked) bool {
	is := r.items[at].kind
	if s.types != 0 && s.types&is == 0 {
		if is != kindNumber || s.types&kindInteger == 0 || !r.isInteger(s, at) {
			return r.fail(finding{what: keywordType, at: at, of: s})
		}
	}
	own := r.mark(s, at, up)
	ok := r.isOneOf(s, at)
	if ok || r.quiet == 0 {
		ok = r.checkKind(s, at, own) && ok
	}
	if ok || r.quiet == 0 {
		ok = r.checkInPlace(s, at, own) && ok
	}
	if ok || r.quiet == 0 {
		ok = r.checkUnevaluated(s, at, own) && ok
	}
	if ok {
		r.pass(own, up)
	}
	r.unmark(own)
	return ok
}

// checkKind checks the keywords for values of one type.
func (r *run) checkKind(s *node, at int32, own marked) bool {
	switch is := r.items[at].kind; {
	case is == kindString && s.text != nil:
		return r.checkText(s, at)
	case is == kindNumber && s.number != nil:
		return r.checkNumber(s, at)
	case is == kindObject && s.object != nil:
		return r.checkObject(s, at, own)
	case is == kindArray && s.array != nil:
		return r.checkArray(s, at, own)
	}
	return true
}

// isOneOf checks const and enum.
func (r *run) isOneOf(s *node, at int32) bool {
	ok := true
	if s.constant != nil && !r.equal(at, s.constant, 0) {
		ok = r.fail(finding{what: keywordConst, at: at, of: s})
	}
	if s.enum == nil {
		return ok
	}
	for _, v := range s.enum {
		if r.equal(at, v, 0) {
			return ok
		}
	}
	return r.fail(finding{what: keywordEnum, at: at, of: s})
}
