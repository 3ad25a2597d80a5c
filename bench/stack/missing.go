package stack

import (
	"errors"
	"fmt"
	"os"
)

// MissingError says that a program or package that a server needs is neither
// here nor could be fetched, and how to get it.
type MissingError struct {
	// What is missing, such as "redis-server".
	What string
	// Get is what a person can do about it.
	Get string
	// Err is why it could not be fetched, if that was tried.
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

// TB is what Check needs of a testing.TB.
type TB interface {
	Helper()
	Skipf(format string, args ...any)
	Fatal(args ...any)
}

// Check ends a test that could not start what it needs. It does nothing where
// err is nil. Where something is missing on the machine the test is skipped,
// naming what and how to get it; under CI=true, and for every other error, it
// fails, so that no check is left out unseen.
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
