package stack

import (
	"errors"
	"fmt"
	"os"
)

// MissingError reports a program or package that a server needs and that is neither
// installed nor could be fetched, and how to get it.
type MissingError struct {
	// What is missing, such as "redis-server".
	What string
	// Get describes how a user can install it.
	Get string
	// Err is why it could not be fetched, if that was attempted.
	Err error
}

func (e *MissingError) Error() string {
	s := fmt.Sprintf("%s is missing: %s", e.What, e.Get)
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

func (e *MissingError) Unwrap() error { return e.Err }

// TB is the part of testing.TB that Check needs.
type TB interface {
	Helper()
	Skipf(format string, args ...any)
	Fatal(args ...any)
}

// Check ends a test that could not start what it needs. It does nothing if err is
// nil. If err is a *MissingError the test is skipped with a message on how to get
// what is missing; under CI=true, and for every other error, the test fails, so that
// no check is silently omitted.
func Check(t TB, err error) {
	t.Helper()
	if err == nil {
		return
	}
	var missing *MissingError
	if errors.As(err, &missing) && os.Getenv("CI") != "true" {
		t.Skipf("left out: %v", err)
	}
	t.Fatal(err)
}
