package cursors

import (
	"context"
	"errors"
	"time"

	"sluice/hub/record"
)

// Key names a position that is kept for a principal.
type Key struct {
	Principal string
	Stream    string
	Name      string
}

// Commit moves a named cursor.
type Commit struct {
	Key
	Ack
	// Fence is what Take gave to the subscription that acks. Zero acks for
	// nobody in particular and is not fenced.
	Fence int64
	// Reset takes the position as it is, also where that is backwards.
	Reset bool
}

// Committed is what became of a commit: what is stored now, and when that was
// made, or an error.
type Committed struct {
	Position record.Position
	At       time.Time
	Err      error
}

// Store keeps named cursors outside the process. All methods are safe
// for concurrent use and fail with ErrStoreUnavailable soon, not after long
// retries, while the store is away.
type Store interface {
	// Load finds a position, or returns ErrNoCursor.
	Load(ctx context.Context, name Key) (record.Position, time.Time, error)

	// Take makes the caller the one subscription that may ack under the name,
	// and returns what is stored. With ErrNoCursor the fence is valid all the
	// same. Whoever took the name before is told through Superseded.
	Take(ctx context.Context, name Key) (at record.Position, fence int64, err error)

	// Commit moves cursors, all in one round trip, and returns one result a
	// commit: what is stored then, or ErrSuperseded where another subscription
	// has taken the name since.
	//
	// Of one subscription, the ack after more breaks replaces what is stored,
	// in the partitions that they concern or, where the topic was made again,
	// in all; the ack after fewer changes nothing there. Otherwise a cursor
	// moves only up in each partition: by offset where a subscription acks, by
	// epoch and then by offset where Fence is zero. A position in another
	// topic replaces the stored one unless it is known to be the older one. So
	// does any with Reset.
	Commit(ctx context.Context, commits []Commit) []Committed

	// Delete forgets a name. Deleting one that is not stored is no error.
	Delete(ctx context.Context, name Key) error

	// Fences gives the fence of whoever has each of the names now, 0 where
	// nothing is stored.
	Fences(ctx context.Context, names []Key) ([]int64, error)

	// Superseded calls told for each name that is taken anywhere, with the
	// fence of whoever has it now, until the context ends. What is taken while
	// the store is away is not told; fences hold all the same. Heard is called
	// each time that it hears of takes from then on, the first time included.
	Superseded(ctx context.Context, told func(name Key, fence int64), heard func()) error
}

// Errors of a Store.
var (
	// ErrNoCursor: nothing is stored under the name.
	ErrNoCursor = errors.New("no cursor is stored under this name")
	// ErrSuperseded: another subscription has taken the name.
	ErrSuperseded = errors.New("the cursor was taken up elsewhere")
	// ErrStoreUnavailable: the store cannot be reached.
	ErrStoreUnavailable = errors.New("the cursor store is unavailable")
)
