package ingest

import (
	"fmt"
)

// Violation is one thing that is wrong with the value of a record.
type Violation struct {
	// Pointer is where in the value it is, as a JSON pointer (RFC 6901). The value
	// itself is "".
	Pointer string
	Message string
	// Keyword is the keyword of the schema that the value violates, "" for a rule of the
	// stream. It is one of schema.Keywords or avro.Keywords.
	Keyword string
}

// InvalidError is ErrInvalid with all that is wrong with a record.
type InvalidError struct {
	// Violations are for the client. There is at least one.
	Violations []Violation
	// More is set if there are violations beyond those listed.
	More bool
}

// Reason returns why the record is refused in a word, for metrics: the keyword of the first
// violation, or "rule".
func (e *InvalidError) Reason() string {
	if len(e.Violations) > 0 && e.Violations[0].Keyword != "" {
		return e.Violations[0].Keyword
	}
	return "rule"
}

// Error counts the violations. What they say can contain parts of the record, which do
// not belong in logs.
func (e *InvalidError) Error() string {
	more := ""
	if e.More {
		more = " or more"
	}
	return fmt.Sprintf("%s: %d%s violations", ErrInvalid, len(e.Violations), more)
}

// Unwrap returns ErrInvalid.
func (*InvalidError) Unwrap() error { return ErrInvalid }

// Invalid returns the error of a record with one violation, of its value as a whole.
func Invalid(message string) *InvalidError {
	return &InvalidError{Violations: []Violation{{Message: message}}}
}
