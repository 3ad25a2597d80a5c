//go:build !unix

package embedded

// lock does nothing where there is no flock(2): two processes in one folder
// are then the user's to avoid.
func lock(string) (unlock func(), err error) { return func() {}, nil }
