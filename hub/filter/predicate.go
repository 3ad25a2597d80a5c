package filter

import (
	"errors"
	"fmt"
	"unique"
)

// Predicate selects records by their content. The package documentation lists the
// rules that it must follow.
type Predicate interface {
	// Canonical returns the bytes that identify the predicate.
	Canonical() string
	// Passes reports whether a record passes, or returns an error if that cannot
	// be decided.
	Passes(r *Record) (bool, error)
}

// Verdict is the answer of a filter for a record.
type Verdict uint8

const (
	// Unknown means that no answer is kept.
	Unknown Verdict = iota
	// No means that the record does not pass.
	No
	// Yes means that the record passes.
	Yes
	// Failed means that a predicate could not decide.
	Failed
)

// ErrPanic is the error for a predicate that has panicked.
var ErrPanic = errors.New("the predicate panicked")

// predicate is a Predicate with its identity: the handles of equal texts are
// equal.
type predicate struct {
	id unique.Handle[string]
	of Predicate
}

func newPredicate(p Predicate) *predicate {
	return &predicate{id: unique.Make(p.Canonical()), of: p}
}

func (p *predicate) is(other *predicate) bool { return p.id == other.id }

// judge asks the predicate about a record.
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
