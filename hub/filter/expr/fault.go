package expr

import (
	"errors"
	"fmt"
	"strings"

	"cel.dev/cel-go/common"
)

// ErrCost means that the evaluation of an expression on a record cost more than
// Limits.Cost.
var ErrCost = errors.New("the evaluation of the filter on a record is too expensive")

// maxPlaces bounds how many faults of one text are reported.
const maxPlaces = 5

// Error reports what is wrong with the text of an expression.
type Error struct {
	Places []Place
}

// Place is a fault in the text.
type Place struct {
	// Line and Column count from 1; a column is a code point. Both are 0 for a fault
	// of the text as a whole.
	Line, Column int
	Message      string
}

// Error lists the places.
func (e *Error) Error() string {
	texts := make([]string, len(e.Places))
	for i, p := range e.Places {
		texts[i] = p.String()
	}
	return strings.Join(texts, "; ")
}

// String returns the message with its place.
func (p Place) String() string {
	if p.Line == 0 {
		return p.Message
	}
	return fmt.Sprintf("line %d, column %d: %s", p.Line, p.Column, p.Message)
}

// Where returns where in the text the first fault is, without anything of the text.
func (e *Error) Where() string {
	if p := e.Places[0]; p.Line > 0 {
		return fmt.Sprintf("line %d, column %d", p.Line, p.Column)
	}
	return "the filter as a whole"
}

// bytes returns about how many bytes the error takes in memory.
func (e *Error) bytes() int {
	n := 256
	for _, p := range e.Places {
		n += 64 + len(p.Message)
	}
	return n
}

func whole(format string, args ...any) *Error {
	return &Error{Places: []Place{{Message: fmt.Sprintf(format, args...)}}}
}

// faultOf converts what the compiler reports.
func faultOf(faults *common.Errors) *Error {
	e := &Error{}
	for _, issue := range faults.GetErrors() {
		if len(e.Places) == maxPlaces {
			break
		}
		message, _, _ := strings.Cut(issue.Message, "\n")
		place := Place{Message: clipped(message)}
		if line := issue.Location.Line(); line > 0 {
			place.Line, place.Column = line, issue.Location.Column()+1
		}
		e.Places = append(e.Places, place)
	}
	if len(e.Places) == 0 {
		return whole("the filter is not an expression")
	}
	return e
}

// maxMessage bounds a message of the compiler, which can quote the text.
const maxMessage = 200

func clipped(message string) string {
	if len(message) <= maxMessage {
		return message
	}
	return strings.ToValidUTF8(message[:maxMessage], "") + "…"
}
