package hub

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"sluice/hub/filter"
	"sluice/hub/share"
)

// Config configures a Hub. Fields are required unless their comment says otherwise.
type Config struct {
	// Streams are those in force at first; see SetStreams.
	Streams []Stream
	// Shards is the number of workers that deliver: 1 to 64.
	Shards int
	// Wake is called when a feed has something new for a shard, and not again until
	// that shard calls the feed's Take. It must not block.
	Wake func(shard int, f *Feed)
	// Pace is called after each append and each change of a stream's status, before
	// more is fetched for the stream. It returns when the workers have delivered what
	// they were woken for in the lane, which is that of the stream. Optional.
	Pace func(*Lane)
	// Limits are the limits in force at first; see Hub.SetLimits.
	Limits
	Logger *slog.Logger
	Now    func() time.Time
}

// conflateKeyBytes is roughly the memory that one remembered key takes.
const conflateKeyBytes = 64

// Hub holds the streams of one instance.
type Hub struct {
	config Config
	now    func() time.Time
	// inForce are the streams by name. The map is never changed, but replaced.
	inForce atomic.Pointer[map[string]*stream]
	tenants tenantStreams
	bounds  atomic.Pointer[Limits] // in force; never changed, but replaced
	blocks  *blockPool
	// searches bounds the searches for the newest records, which StartLast needs.
	searches *share.Slots
	// questions bounds what each Source is asked for clients.
	questions sync.Map // of *share.Slots by upstream.Source
	// conflated is how many keys all conflating subscriptions remember.
	conflated atomic.Int64
	// newestBytes is the constant of that name, except in tests.
	newestBytes int
	turns       *turns // of costly filters
	// digest is Filter.Digest with a secret of this hub, except in tests.
	digest func(filter.Filter) string
	// moved is called, in tests, when a subscription has changed its mode, and
	// stepping before each step of a call of Subscription.next.
	moved    func(s *Subscription, from mode, on trigger, to mode)
	stepping func(s *Subscription, steps int)

	started chan struct{} // closed by Run

	mu     sync.Mutex
	ctx    context.Context // of Run; all goroutines end with it
	closed bool
	tasks  sync.WaitGroup
	// replaced is closed when the streams are replaced; nil while nobody asks.
	replaced chan struct{}
}

// Errors of a Hub.
var (
	// ErrUnknownStream: no stream with the name is configured.
	ErrUnknownStream = errors.New("unknown stream")
	// ErrClosed: the hub is not running.
	ErrClosed = errors.New("the hub is closed")
)

// streams returns the streams in force, by name. The map must not be changed.
func (h *Hub) streams() map[string]*stream {
	if streams := h.inForce.Load(); streams != nil {
		return *streams
	}
	return nil
}

// limits returns the limits in force, which must not be changed or kept.
func (h *Hub) limits() *Limits { return h.bounds.Load() }

// running returns the context of Run, or one that has ended when Run was not called.
func (h *Hub) running() context.Context {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ctx == nil {
		ended, cancel := context.WithCancel(context.Background())
		cancel()
		return ended
	}
	return h.ctx
}

// spawn starts a task that Run waits for. It reports false when the hub is not
// running.
func (h *Hub) spawn(task func()) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ctx == nil || h.closed {
		return false
	}
	h.tasks.Go(task)
	return true
}
