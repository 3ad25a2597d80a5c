package bulk

import (
	"cmp"
	"errors"
	"slices"

	"sluice/transport/client"
)

// Outcome is what has become of a line.
type Outcome struct {
	// Line is its number, from 1.
	Line int
	// At is where the record is, if Err is nil.
	At  client.Stored
	Err error
}

// Totals counts lines by what has become of them.
type Totals struct {
	// Stored are those that are stored now, Before those that were stored under their id
	// already.
	Stored, Before int64
	// Refused are those that are not stored because of what they are, Unsent those that are not
	// stored because the run has stopped, and Unknown those that may be stored.
	Refused, Unsent, Unknown int64
	// Retries are the requests that were sent again.
	Retries int64
	// Read is how many bytes of the file are done.
	Read int64
	// Line is the last line of which, and of all before, it is known what has become of it.
	Line int
	// WithoutIDs says that the stream takes no message ids.
	WithoutIDs bool

	open bool // Line is before one of which it is not known what has become of it
}

// take adds a batch that is done, and sorts its outcomes.
func (t *Totals) take(b *batch) {
	slices.SortFunc(b.outcomes, func(a, b Outcome) int { return cmp.Compare(a.Line, b.Line) })
	t.Read = b.read
	for _, o := range b.outcomes {
		t.note(o, b.err != nil)
		if !t.open && o.Err != nil && (b.err != nil || errors.Is(o.Err, client.ErrMaybeStored)) {
			t.Line, t.open = o.Line-1, true
		}
	}
	if !t.open {
		t.Line = b.last
	}
}

func (t *Totals) note(o Outcome, stopped bool) {
	switch {
	case o.Err == nil && o.At.Duplicate:
		t.Before++
	case o.Err == nil:
		t.Stored++
	case errors.Is(o.Err, client.ErrMaybeStored):
		t.Unknown++
	case stopped:
		t.Unsent++
	default:
		t.Refused++
	}
}
