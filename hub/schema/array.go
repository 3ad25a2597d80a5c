package schema

// checkArray checks an array and its elements, in their order.
func (r *run) checkArray(s *node, at int32, own marked) bool {
	a, ok := s.array, true
	n := int(r.items[at].count)
	if a.minItems >= 0 && n < a.minItems {
		ok = r.fail(finding{what: keywordMinItems, at: at, of: s})
	}
	if a.maxItems >= 0 && n > a.maxItems {
		ok = r.fail(finding{what: keywordMaxItems, at: at, of: s})
	}
	if a.unique && n > 1 {
		ok = r.checkUnique(s, at) && ok
	}
	if len(a.prefix) > 0 || a.items != nil {
		ok = r.checkElements(s, at, own) && ok
	}
	if a.contains != nil && (ok || r.quiet == 0) {
		ok = r.checkContains(s, at, own) && ok
	}
	return ok
}

func (r *run) checkElements(s *node, at int32, own marked) bool {
	a, ok := s.array, true
	child := at + 1
	for i := range int(r.items[at].count) {
		if !ok && r.quiet > 0 || r.left < 0 {
			return false
		}
		sub := a.items
		if i < len(a.prefix) {
			sub = a.prefix[i]
		}
		if sub == nil {
			break
		}
		r.evaluated(own, i)
		ok = r.check(sub, child, marked{}) && ok
		child = r.items[child].next
	}
	return ok
}

// checkContains counts the elements that match.
func (r *run) checkContains(s *node, at int32, own marked) bool {
	a, matches := s.array, 0
	child := at + 1
	for i := range int(r.items[at].count) {
		if r.left < 0 {
			return false
		}
		if r.quietly(a.contains, child, marked{}) {
			if matches++; a.evaluates {
				r.evaluated(own, i)
			}
		}
		child = r.items[child].next
	}
	ok := true
	switch {
	case matches >= a.minContains:
	case a.minContains == 1:
		ok = r.fail(finding{what: keywordContains, at: at, of: s})
	default:
		ok = r.fail(finding{what: keywordMinContains, at: at, of: s})
	}
	if a.maxContains >= 0 && matches > a.maxContains {
		ok = r.fail(finding{what: keywordMaxContains, at: at, of: s})
	}
	return ok
}

// checkUnique finds items that are equal, by their hashes.
func (r *run) checkUnique(s *node, at int32) bool {
	clear(r.seen)
	child := at + 1
	for i := range int(r.items[at].count) {
		hash := r.hash(child)
		for { // items with equal hashes stand after each other, and are few
			if r.left < 0 {
				return false
			}
			same, taken := r.seen[hash]
			if !taken {
				r.seen[hash] = child
				break
			}
			if r.equal(child, &r.tape, same) {
				return r.fail(finding{what: keywordUniqueItems, at: at, of: s, n: r.ordinal(at, same), m: i})
			}
			hash++
		}
		child = r.items[child].next
	}
	return true
}

// ordinal returns which element of an array an item is.
func (r *run) ordinal(at, element int32) (n int) {
	for child := at + 1; child < element; child = r.items[child].next {
		n++
	}
	return n
}
