//go:build !unix

package embedded

// lock does nothing without flock(2): the user must not run two processes in one
// directory.
func lock(string) (unlock func(), err error) { return func() {}, nil }
