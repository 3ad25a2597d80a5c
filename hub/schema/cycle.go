package schema

// endless finds a schema that comes back to itself for the same value, so that no check of
// it would end, nil for none. A dynamic reference is followed to its target; where it leads
// to otherwise is bounded by maxNesting.
func endless(nodes []*node) *node {
	const entered, left = 1, 2
	state := make(map[*node]int, len(nodes))
	var found *node
	var visit func(*node)
	visit = func(s *node) {
		if state[s] == entered {
			found = s
		}
		if state[s] != 0 || found != nil {
			return
		}
		state[s] = entered
		s.inPlace(visit)
		state[s] = left
	}
	for _, s := range nodes {
		visit(s)
	}
	return found
}
