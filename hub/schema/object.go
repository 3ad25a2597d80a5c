package schema

// checkObject checks an object and its members, in their order.
func (r *run) checkObject(s *node, at int32, own marked) bool {
	o, ok := s.object, true
	n := int(r.items[at].count)
	if o.minProperties >= 0 && n < o.minProperties {
		ok = r.fail(finding{what: keywordMinProperties, at: at, of: s})
	}
	if o.maxProperties >= 0 && n > o.maxProperties {
		ok = r.fail(finding{what: keywordMaxProperties, at: at, of: s})
	}
	ok = r.checkRequired(s, at) && ok
	if o.names != nil || o.patterns != nil || o.additional != nil || o.nameSchema != nil {
		child := at + 1
		for i := range n {
			if !ok && r.quiet > 0 || r.left < 0 {
				return false
			}
			ok = r.checkMember(s, child, i, own) && ok
			child = r.items[child].next
		}
	}
	for i := range o.dependent {
		if d := &o.dependent[i]; r.member(at, d.name) {
			ok = r.checkDependency(s, i, at, own) && ok
		}
	}
	return ok
}

// checkRequired reports the members that are missing, in the order of the schema.
func (r *run) checkRequired(s *node, at int32) bool {
	o := s.object
	if len(o.required) == 0 {
		return true
	}
	// A set of few bits is enough for almost all schemas.
	var room [2]uint64
	there := room[:]
	if len(o.required) > 64*len(room) {
		there = make([]uint64, (len(o.required)+63)/64)
	}
	found := 0
	for child, end := at+1, r.items[at].next; child < end; child = r.items[child].next {
		if m, ok := o.names[string(r.name(child))]; ok && m.required >= 0 {
			there[m.required/64] |= 1 << (m.required % 64)
			found++
		}
	}
	if !r.spend(int(r.items[at].count)/8) || found == len(o.required) {
		return true
	}
	for i, name := range o.required {
		if there[i/64]&(1<<(i%64)) == 0 {
			r.fail(finding{what: keywordRequired, at: at, of: s, name: name})
		}
	}
	return false
}

// checkMember checks the nth member of an object.
func (r *run) checkMember(s *node, child int32, n int, own marked) bool {
	o, ok, known := s.object, true, false
	name := r.name(child)
	if m := o.names[string(name)]; m.schema != nil {
		known = true
		ok = r.check(m.schema, child, marked{})
	}
	for i := range o.patterns {
		if p := &o.patterns[i]; r.matches(p.pattern, name) {
			known = true
			ok = r.check(p.schema, child, marked{}) && ok
		}
	}
	switch {
	case known:
		r.evaluated(own, n)
	case o.additional == nil:
	case o.additional.never:
		r.evaluated(own, n)
		ok = r.fail(finding{what: keywordAdditionalProperties, at: child, of: s})
	default:
		r.evaluated(own, n)
		ok = r.check(o.additional, child, marked{})
	}
	if o.nameSchema != nil && !r.checkName(o.nameSchema, child) {
		ok = r.fail(finding{what: keywordPropertyNames, at: child, of: s})
	}
	return ok
}

// checkName checks the name of a member as if it were a value.
func (r *run) checkName(s *node, child int32) bool {
	at := int32(len(r.items))
	from, to := r.items[child].nameFrom, r.items[child].nameTo
	r.items = append(r.items, item{from: from, to: to, next: at + 1, kind: kindString})
	ok := r.quietly(s, at, marked{})
	r.items = r.items[:at]
	return ok
}

// member reports whether an object has a member.
func (r *run) member(at int32, name string) bool {
	r.spend(int(r.items[at].count) / 8)
	for child, end := at+1, r.items[at].next; child < end; child = r.items[child].next {
		if string(r.name(child)) == name {
			return true
		}
	}
	return false
}

// checkDependency checks what a member that is there requires.
func (r *run) checkDependency(s *node, i int, at int32, own marked) bool {
	d, ok := &s.object.dependent[i], true
	for n, name := range d.required {
		if !r.member(at, name) {
			ok = r.fail(finding{what: keywordDependentRequired, at: at, of: s, n: i, m: n})
		}
	}
	if d.schema != nil {
		ok = r.check(d.schema, at, own) && ok
	}
	return ok
}

// checkUnevaluated checks the members or elements that nothing has evaluated.
func (r *run) checkUnevaluated(s *node, at int32, own marked) bool {
	rest, what := s.unevaluatedProperties, keywordUnevaluatedProperties
	if r.items[at].kind == kindArray {
		rest, what = s.unevaluatedItems, keywordUnevaluatedItems
	}
	if rest == nil || !own.used {
		return true
	}
	ok := true
	child := at + 1
	for i := range own.n {
		if !r.marks[own.from+i] {
			r.marks[own.from+i] = true
			if rest.never {
				ok = r.fail(finding{what: what, at: child, of: s})
			} else {
				ok = r.check(rest, child, marked{}) && ok
			}
		}
		if !ok && r.quiet > 0 || r.left < 0 {
			return false
		}
		child = r.items[child].next
	}
	return ok
}
