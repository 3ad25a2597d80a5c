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

// Commit is a write that moves a named cursor.
type Commit struct {
	Key
	Ack
	// Fence is the fence that Take returned to the subscription that acks. Zero
	// is a write without a lease, which is not fenced.
	Fence int64
	// Reset stores the position as it is, even if it is lower than the stored
	// one.
	Reset bool
}

// Committed is the result of a commit: the position that is stored now, and when
// it was created, or an error.
type Committed struct {
	Position record.Position
	At       time.Time
	Err      error
}

// Store keeps named cursors outside the process. All methods are safe for
// concurrent use. While the store is unavailable they fail with
// ErrStoreUnavailable soon, not after long retries.
type Store interface {
	// Load returns a position, or ErrNoCursor.
	Load(ctx context.Context, name Key) (record.Position, time.Time, error)

	// Take makes the caller the only subscription that may ack under the name,
	// and returns the stored position. With ErrNoCursor the fence is valid
	// nevertheless. The previous holder is notified through Superseded. A name that
	// is not stored fails with ErrTooManyNames if the principal has too many.
	Take(ctx context.Context, name Key) (at record.Position, fence int64, err error)

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
	// ErrTooManyNames as Take does.
	Commit(ctx context.Context, commits []Commit) []Committed

	// Move replaces the position that is stored under a name, as an operator asks, and takes
	// the name, at the same time: nothing that its holder acks undoes the move, and who takes
	// it from then on gets the new position. It returns the fence, or ErrNoCursor if nothing
	// is stored.
	Move(ctx context.Context, name Key, to record.Position, at time.Time) (fence int64, err error)

	// Delete removes a name. Deleting a name that is not stored is not an error.
	Delete(ctx context.Context, name Key) error

	// Fences returns the current fence of each of the names, 0 if nothing is
	// stored.
	Fences(ctx context.Context, names []Key) ([]int64, error)

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
