package hub

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"sluice/hub/event"
	"sluice/hub/filter"
	"sluice/hub/record"
	"sluice/hub/upstream"
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
	// they were woken for. Optional.
	Pace func()
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
	searches *searches
	// conflated is how many keys all conflating subscriptions remember.
	conflated atomic.Int64
	// newestBytes is the constant of that name, except in tests.
	newestBytes int
	// digest is Filter.Digest, except in tests.
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

// StreamInfo describes a stream and its state.
type StreamInfo struct {
	Name, Topic string
	Tenant      string // "" if the stream is no tenant's
	Content     event.Content
	Publishable bool
	// Partitions is 0 until the topic has been described for the first time.
	Partitions int32
	// Missing is set while the topic does not exist, according to the last check.
	Missing bool
	// Reading is set while the stream is read from Kafka. Status is then whether
	// that works, and since when.
	Reading bool
	Status  Status
	// LogBytes is roughly the memory that the stream's log takes. Records, Bytes and
	// Gaps count what was read since the start.
	LogBytes             int
	Subscribers          int
	Records, Bytes, Gaps uint64
	// Slow is how many subscriptions that had been live fell below the floor of the
	// log. Reported is how many gaps were reported to subscribers, by reason.
	Slow     uint64
	Reported map[record.GapReason]uint64
}

// Streams returns all streams, by name and tenant. A template counts as the streams
// that were made of it.
func (h *Hub) Streams() []StreamInfo {
	streams := h.every()
	infos := make([]StreamInfo, 0, len(streams))
	for _, st := range streams {
		infos = append(infos, st.info())
	}
	return infos
}

// StreamsOf returns the streams that a tenant has, by name.
func (h *Hub) StreamsOf(tenant string) []StreamInfo {
	var infos []StreamInfo
	streams := h.streams()
	for _, name := range slices.Sorted(maps.Keys(streams)) {
		if info, err := h.Stream(tenant, name); err == nil {
			infos = append(infos, info)
		}
	}
	return infos
}

// Stream returns one stream of a tenant by name. It makes none: of a template, the
// state of the stream may be missing.
func (h *Hub) Stream(tenant, name string) (StreamInfo, error) {
	st, ok := h.streams()[name]
	if !ok || st.isTemplate() && tenant == "" {
		return StreamInfo{}, ErrUnknownStream
	}
	if st.isTemplate() {
		h.tenants.mu.RLock()
		made := h.tenants.all[tenantStream{st, tenant}]
		h.tenants.mu.RUnlock()
		if made == nil {
			made = h.newTenantStream(tenantStream{st, tenant})
		}
		st = made
	}
	return st.info(), nil
}

// Configured reports whether there is a stream of the name, for all or of tenants.
func (h *Hub) Configured(name string) bool { return h.streams()[name] != nil }

// Has reports whether a tenant has a stream of the name.
func (h *Hub) Has(tenant, name string) bool {
	st, ok := h.streams()[name]
	return ok && (tenant != "" || !st.isTemplate())
}

// NoteMissing records whether a stream's topic is certainly missing, as found by the
// caller.
func (h *Hub) NoteMissing(name string, missing bool) {
	if st, ok := h.streams()[name]; ok {
		st.missing.Store(missing)
	}
}

// Describe is like Stream, but asks Kafka for the topic when it is not known yet or
// was missing.
func (h *Hub) Describe(ctx context.Context, tenant, name string) (StreamInfo, error) {
	st, err := h.find(tenant, name)
	if err != nil {
		return StreamInfo{}, err
	}
	if st.topic.Load() == nil || st.missing.Load() {
		topic, err := st.Source.Topic(ctx, st.Topic)
		if err != nil {
			if errors.Is(err, upstream.ErrUnknownTopic) {
				st.missing.Store(true)
			}
			return st.info(), fmt.Errorf("describe stream %s: %w", name, err)
		}
		st.missing.Store(false)
		st.topic.CompareAndSwap(nil, &topic)
	}
	return st.info(), nil
}

func (st *stream) info() StreamInfo {
	info := StreamInfo{
		Name:        st.Name,
		Topic:       st.Topic,
		Tenant:      st.tenant,
		Content:     st.Content,
		Publishable: st.Producer != nil,
		Missing:     st.missing.Load(),
		Records:     st.records.Load(),
		Bytes:       st.bytes.Load(),
		Gaps:        st.gaps.Load(),
		Slow:        st.slow.Load(),
		Reported:    make(map[record.GapReason]uint64, len(record.GapReasons)-1),
	}
	for code, reason := range record.GapReasons[1:] {
		info.Reported[reason] = st.reported[code+1].Load()
	}
	if topic := st.topic.Load(); topic != nil {
		info.Partitions = topic.Partitions
	}
	if l := st.logNow(); l != nil {
		info.Reading, info.Status, info.LogBytes = true, *l.status.Load(), l.size()
	}
	st.mu.Lock()
	info.Subscribers = st.users
	st.mu.Unlock()
	return info
}

// Publish stores messages in the topic of a tenant's stream; see upstream.Producer.
func (h *Hub) Publish(ctx context.Context, tenant, stream string, messages []upstream.Message, done func([]upstream.Stored)) error {
	st, err := h.find(tenant, stream)
	if err != nil {
		return err
	}
	if st.Producer == nil {
		return ErrUnknownStream
	}
	st.Producer.Produce(ctx, st.Topic, messages, done)
	return nil
}

// balance keeps all logs together within LogMemory: it shrinks the logs of streams
// without subscribers first, then the largest. It reports whether there was too
// much.
func (h *Hub) balance() bool {
	most := h.limits().LogMemory
	if most <= 0 {
		return false
	}
	type held struct {
		log  *log
		size int
		idle bool
	}
	var logs []held
	total := 0
	for _, st := range h.every() {
		if l := st.logNow(); l != nil {
			size := l.size()
			total += size
			st.mu.Lock()
			logs = append(logs, held{l, size, st.users == 0})
			st.mu.Unlock()
		}
	}
	if total <= most {
		return false
	}
	slices.SortFunc(logs, func(a, b held) int {
		if a.idle != b.idle {
			if a.idle {
				return -1
			}
			return 1
		}
		return cmp.Compare(b.size, a.size)
	})
	for _, l := range logs {
		if total <= most {
			break
		}
		total -= l.size
		total += l.log.shrink(max(0, most-total))
	}
	return true
}
