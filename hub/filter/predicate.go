package filter

import (
	"errors"
	"fmt"
	"unique"
)

// Predicate decides about records by what is in them. What it has to keep to is said
// in the documentation of the package.
type Predicate interface {
	// Canonical are the bytes that the predicate is known by.
	Canonical() string
	// Passes reports whether a record passes, or why that cannot be said.
	Passes(r *Record) (bool, error)
}

// Verdict is what a filter says of a record.
type Verdict uint8

const (
	unknown Verdict = iota
	// No: the record does not pass.
	No
	// Yes: it passes.
	Yes
	// Failed: a predicate could not decide.
	Failed
)

// ErrPanic is what a predicate failed with that has panicked.
var ErrPanic = errors.New("the predicate has panicked")

// predicate is one with its identity: the handles of equal texts are equal.
type predicate struct {
	id unique.Handle[string]
	of Predicate
}

func newPredicate(p Predicate) *predicate {
	return &predicate{id: unique.Make(p.Canonical()), of: p}
}

func (p *predicate) is(other *predicate) bool { return p.id == other.id }

// judge asks the predicate.
func (p *predicate) judge(r *Record) (v Verdict, err error) {
	defer func() {
		if fault := recover(); fault != nil {
			v, err = Failed, fmt.Errorf("%w: %v", ErrPanic, fault)
		}
	}()
	switch passes, err := p.of.Passes(r); {
	case err != nil:
		return Failed, err
	case passes:
		return Yes, nil
	}
	return No, nil
}
