package cursors

import (
	"context"
	"errors"
	"fmt"
	"time"

	"sluice/hub/record"
)

// Key identifies a named cursor of a principal.
type Key struct {
	Principal string
	Stream    string
	Name      string
}

// Stored is what is stored under a name.
type Stored struct {
	Position record.Position
	// At is when the position was created.
	At time.Time
	// Fence is that of the last one who has taken the name, or moved it, 0 for none.
	Fence int64
	// Moved is the fence of the last operator who has moved the position, 0 for none.
	Moved int64
}

// Predates reports whether a position that a client has, by the lease that its cursor names
// and the time at which that was made, is from before an operator has moved the stored one.
func (s Stored) Predates(lease int64, made time.Time) bool {
	return Since(lease, made) < s.Moved
}

// Since returns since when a client's position goes on from what was stored under a name, in
// the unit of fences: the lease of its cursor or, as far as can be told without one, when
// the cursor was made.
func Since(lease int64, made time.Time) int64 {
	if lease > 0 || made.IsZero() {
		return max(lease, 0)
	}
	return max(made.UnixMicro(), 0)
}

// Commit is a write that moves a named cursor.
type Commit struct {
	Key
	Ack
	// Fence is the fence that Take returned to the subscription that acks. Zero
	// is a write without a lease, which is not fenced.
	Fence int64
	// Since is, of a write without a lease, since when its position goes on from what
	// was stored: if an operator has moved the name later, the write fails.
	Since int64
	// Reset stores the position as it is, even if it is lower than the stored
	// one.
	Reset bool
}

// Committed is the result of a commit: what is stored now, with the fence of the commit if it
// is stored as it is, or an error.
type Committed struct {
	Stored
	Err error
}

// Store keeps named cursors outside the process. All methods are safe for
// concurrent use. While the store is unavailable they fail with
// ErrStoreUnavailable soon, not after long retries.
type Store interface {
	// Load returns what is stored, or ErrNoCursor.
	Load(ctx context.Context, name Key) (Stored, error)

	// Take makes the caller the only subscription that may ack under the name,
	// and returns what is stored, with the caller's fence. With ErrNoCursor the
	// fence is valid nevertheless. The previous holder is notified through
	// Superseded. A name that is not stored fails with ErrTooManyNames if the
	// principal has too many.
	Take(ctx context.Context, name Key) (Stored, error)

	// Commit moves cursors, all in one round trip, and returns one result for
	// each commit: the position that is stored then, or ErrSuperseded if another
	// subscription has taken the name since.
	//
	// Among the acks of one subscription, an ack with more breaks replaces the
	// stored offsets, of the partitions concerned or, if the topic was created
	// again, of all; an ack with fewer breaks changes nothing there. Otherwise a
	// cursor only moves up in each partition: by offset if a subscription acks,
	// by epoch and then by offset if Fence is zero. A position in another topic
	// replaces the stored one unless it is known to be older. A position with
	// Reset always replaces the stored one. A commit without a fence fails with
	// ErrTooManyNames as Take does, and without Reset with ErrMoved if it is since before an
	// operator has moved the name.
	Commit(ctx context.Context, commits []Commit) []Committed

	// Move replaces the position that is stored under a name, as an operator asks, and takes
	// the name, at the same time: nothing that its holder acks undoes the move, and who takes
	// it from then on gets the new position. No commit without a fence undoes it that is since
	// before it. It returns what is stored then, or ErrNoCursor if nothing is stored.
	Move(ctx context.Context, name Key, to record.Position, at time.Time) (Stored, error)

	// Delete removes a name. Deleting a name that is not stored is not an error.
	Delete(ctx context.Context, name Key) error

	// Fences returns for each of the names who has taken it last, with fence 0 if nothing
	// is stored.
	Fences(ctx context.Context, names []Key) ([]Taken, error)

	// Superseded calls taken for each name that is taken or moved anywhere, until the
	// context ends. Takes while the store is
	// unavailable are not reported; fences are still enforced. listening is called
	// each time that takes are reported from then on, including the first time.
	Superseded(ctx context.Context, taken func(Taken), listening func()) error
}

// Taken is the news that a name was taken.
type Taken struct {
	Key
	Fence int64 // of the new holder
	// Moved is set if an operator has moved the position, and no subscription has taken the
	// name.
	Moved bool
}

// Errors of a Store.
var (
	// ErrNoCursor means that nothing is stored under the name.
	ErrNoCursor = errors.New("no cursor is stored under this name")
	// ErrSuperseded means that another subscription has taken the name.
	ErrSuperseded = errors.New("the cursor was taken over by another subscription")
	// ErrMoved is an ErrSuperseded by an operator who has moved the position.
	ErrMoved = fmt.Errorf("%w: an operator has moved it", ErrSuperseded)
	// ErrTooManyNames means that as many names of the principal are stored as may be.
	ErrTooManyNames = errors.New("too many named cursors are stored for this principal")
	// ErrStoreUnavailable means that the store cannot be reached.
	ErrStoreUnavailable = errors.New("the cursor store is unavailable")
)
