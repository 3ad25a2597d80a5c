package hub

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"sluice/hub/event"
	"sluice/hub/record"
	"sluice/hub/upstream"
)

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
	// Undecrypted is how many records were read in which something could not be decrypted.
	// Encrypted is whether anything is encrypted in the stream.
	Undecrypted uint64
	Encrypted   bool
	// Undecided is how often the filter of a right could not decide about a record, which
	// did not pass then.
	Undecided uint64
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

// NoteMissing records whether a stream's topic is certainly missing, as found by the
// caller.
func (h *Hub) NoteMissing(name string, missing bool) {
	if st, ok := h.streams()[name]; ok {
		st.missing.Store(missing)
	}
}

// Evaluations returns the state of the evaluation of filters in turns.
func (h *Hub) Evaluations() Evaluations { return h.turns.state() }

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
		Undecided:   st.undecided.count.Load(),
		Reported:    make(map[record.GapReason]uint64, len(record.GapReasons)-1),
	}
	if c := st.encoder.decrypts; c != nil {
		info.Encrypted, info.Undecrypted = true, c.failed.Load()
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

// Locate returns what reads the topic of a tenant's stream, and its name.
func (h *Hub) Locate(tenant, stream string) (upstream.Source, string, error) {
	st, err := h.find(tenant, stream)
	if err != nil {
		return nil, "", err
	}
	return st.Source, st.Topic, nil
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
	st.Producer.Produce(ctx, st.Topic, messages, func(results []upstream.Stored) {
		st.stored.note(results, h.now(), h.limits().StoredWithin)
		done(results)
	})
	return nil
}

// NamesOf returns the names of a tenant's streams that have a topic, in order.
func (h *Hub) NamesOf(tenant, topic string) (names []string) {
	for name, st := range h.streams() {
		of := st.Topic
		if st.isTemplate() {
			if tenant == "" {
				continue
			}
			of = strings.ReplaceAll(of, TenantPlaceholder, tenant)
		}
		if of == topic {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}
