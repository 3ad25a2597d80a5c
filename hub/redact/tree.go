package redact

// action is what is done with the values at a path, in order of how much it hides.
type action uint8

const (
	keep action = iota
	mask
	remove
	// replace and those after it are of Places, by the number of the path.
	replace
)

// node is a place in the tree of all paths.
type node struct {
	members map[string]*node
	any     *node // for every name
	action  action
}

// tree is all paths of a redaction.
type tree struct{ data, headers node }

func (t *tree) root(p path) *node {
	if p.header {
		return &t.headers
	}
	return &t.data
}

// add adds a path. If it was added before, the action that hides more is kept.
func (t *tree) add(p path, a action) {
	n := t.root(p)
	for _, s := range p.segments {
		n = n.below(s)
	}
	n.action = max(n.action, a)
}

// below returns the node of a segment below n, and creates it if there is none.
func (n *node) below(s segment) *node {
	if s.any {
		if n.any == nil {
			n.any = &node{}
		}
		return n.any
	}
	m := n.members[s.name]
	if m == nil {
		if n.members == nil {
			n.members = make(map[string]*node)
		}
		m = &node{}
		n.members[s.name] = m
	}
	return m
}

// empty reports whether there are no paths at n and below it.
func (n *node) empty() bool { return n.action == keep && n.any == nil && len(n.members) == 0 }

// implies reports whether the tree hides what lies at a path even without that path,
// at least as much as the action does.
func (n *node) implies(segments []segment, a action, self bool) bool {
	if len(segments) == 0 {
		return !self && n.action >= a
	}
	if n.action != keep {
		return true // what lies above is hidden
	}
	s := segments[0]
	if n.any != nil && n.any.implies(segments[1:], a, self && s.any) {
		return true
	}
	m := n.members[s.name]
	return !s.any && m != nil && m.implies(segments[1:], a, self)
}

// touches reports whether a redaction can change what is read at a path of names: a
// value at the path, one above it, or one below it.
func (n *node) touches(names []string) bool {
	if n.action != keep || len(names) == 0 {
		return true // each node leads to a path
	}
	m := n.members[names[0]]
	return m != nil && m.touches(names[1:]) || n.any != nil && n.any.touches(names[1:])
}
