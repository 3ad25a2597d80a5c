package apikeys

// makeRoom removes a random element of a map that has reached its bound.
func makeRoom[V any](m map[string]V, most int) {
	if len(m) < most {
		return
	}
	for other := range m {
		delete(m, other)
		return
	}
}
