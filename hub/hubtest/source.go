package hubtest

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"sluice/hub/record"
	"sluice/hub/upstream"
)

// Topics is an in-memory cluster. It implements upstream.Source and
// upstream.Producer.
type Topics struct {
	mu      sync.Mutex
	topics  map[string]*topic
	changed chan struct{} // closed and replaced at every change
	made    byte
	away    bool
	held    bool
	frugal  bool
	reads   int
}

type topic struct {
	id         record.TopicID
	partitions []partition
}

type partition struct {
	start   int64
	epoch   int32
	records []stored // from start on
	// held is how many of the records can be read while a transaction is open.
	held *int
}

// tip returns the last stable offset.
func (p *partition) tip() int64 {
	if p.held != nil {
		return p.start + int64(min(*p.held, len(p.records)))
	}
	return p.start + int64(len(p.records))
}

// stored is a record of a log. Those that are not visible are never delivered, as
// control records are not; they have an epoch all the same.
type stored struct {
	record.Record
	visible bool
}

// New returns a cluster without topics.
func New() *Topics {
	return &Topics{topics: make(map[string]*topic), changed: make(chan struct{})}
}

func (t *Topics) change(f func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	f()
	close(t.changed)
	t.changed = make(chan struct{})
}

// Create creates a topic, or creates it again with another id.
func (t *Topics) Create(name string, partitions int) {
	t.change(func() {
		t.made++
		t.topics[name] = &topic{id: record.TopicID{t.made}, partitions: make([]partition, partitions)}
	})
}

// Grow adds partitions to a topic, up to the given number.
func (t *Topics) Grow(name string, partitions int) {
	t.change(func() {
		grown := make([]partition, partitions)
		copy(grown, t.topics[name].partitions)
		t.topics[name].partitions = grown
	})
}

// Append adds a record and returns its offset.
func (t *Topics) Append(name string, r record.Record) int64 {
	return t.AppendBatch(name, []record.Record{r})
}

// AppendBatch adds records that a follower gets together, up to 1,000 per
// partition, and returns the offset of the last one.
func (t *Topics) AppendBatch(name string, records []record.Record) (last int64) {
	t.change(func() {
		for _, r := range records {
			last = t.topics[name].partitions[r.Partition].add(r, true)
		}
	})
	return last
}

func (p *partition) add(r record.Record, visible bool) int64 {
	r.Offset, r.Epoch = p.start+int64(len(p.records)), p.epoch
	p.records = append(p.records, stored{r, visible})
	return r.Offset
}

// Skip adds n records that are never delivered, such as control records.
func (t *Topics) Skip(name string, partition int32, n int) {
	t.change(func() {
		for range n {
			t.topics[name].partitions[partition].add(record.Record{Partition: partition}, false)
		}
	})
}

// Expire removes the records of a partition below an offset.
func (t *Topics) Expire(name string, partition int32, below int64) {
	t.change(func() {
		p := &t.topics[name].partitions[partition]
		p.records = p.records[below-p.start:]
		p.start = below
	})
}

// Truncate truncates a partition, as an unclean leader election does: later
// records have a new epoch and offsets that were used before.
func (t *Topics) Truncate(name string, partition int32, to int64) {
	t.change(func() {
		p := &t.topics[name].partitions[partition]
		p.records = slices.Clip(p.records[:to-p.start])
		p.epoch++
	})
}

// Elect gives a partition a new leader that has all records, and so a new epoch.
func (t *Topics) Elect(name string, partition int32) {
	t.change(func() { t.topics[name].partitions[partition].epoch++ })
}

// Transact opens a transaction in a partition, or ends it: until then nothing that is
// behind the present end can be read.
func (t *Topics) Transact(name string, partition int32, open bool) {
	t.change(func() {
		p := &t.topics[name].partitions[partition]
		p.held = nil
		if n := len(p.records); open {
			p.held = &n
		}
	})
}

// epochEnd returns where the records of an epoch, or of the last one before it,
// end, and that epoch.
func (p *partition) epochEnd(epoch int32) (end int64, last int32) {
	last = -1
	for i := range p.records {
		if p.records[i].Epoch > epoch {
			return p.start + int64(i), last
		}
		last = p.records[i].Epoch
	}
	return p.start + int64(len(p.records)), last
}

// Away makes the cluster unavailable, or available again.
func (t *Topics) Away(away bool) { t.change(func() { t.away = away }) }

// Hold stops the delivery of records to followers, or starts it again. Read still
// returns all records meanwhile.
func (t *Topics) Hold(held bool) { t.change(func() { t.held = held }) }

// Frugal makes Read leave out all partitions behind the first that has something, as a
// Source may once it has read as many bytes as it was asked for.
func (t *Topics) Frugal(frugal bool) { t.change(func() { t.frugal = frugal }) }

// Reads returns how many times Read was called.
func (t *Topics) Reads() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.reads
}

// Topic implements upstream.Source.
func (t *Topics) Topic(_ context.Context, name string) (record.Topic, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.away {
		return record.Topic{}, upstream.ErrSourceUnavailable
	}
	found := t.topics[name]
	if found == nil {
		return record.Topic{}, upstream.ErrUnknownTopic
	}
	return record.Topic{Name: name, ID: found.id, Partitions: int32(len(found.partitions))}, nil
}

// Offsets implements upstream.Source.
func (t *Topics) Offsets(_ context.Context, asked record.Topic, at upstream.OffsetSpec) ([]record.PartitionOffset, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	found, err := t.find(asked)
	if err != nil {
		return nil, err
	}
	var places []record.PartitionOffset
	for i, p := range found.partitions {
		// An offset has its record's epoch, and the tip that of the record before
		// it, or the leader's.
		offset, epoch := p.tip(), p.epoch
		if len(p.records) > 0 {
			epoch = p.records[max(0, p.tip()-p.start-1)].Epoch
		}
		if at.IsEarliest() {
			offset = p.start
			if len(p.records) > 0 {
				epoch = p.records[0].Epoch
			}
		}
		if from, ok := at.Time(); ok {
			for _, r := range p.records {
				if r.visible && r.Timestamp >= from.UnixMilli() {
					offset, epoch = r.Offset, r.Epoch
					break
				}
			}
		}
		places = append(places, record.PartitionOffset{Partition: int32(i), Offset: offset, Epoch: epoch})
	}
	return places, nil
}

func (t *Topics) find(asked record.Topic) (*topic, error) {
	if t.away {
		return nil, upstream.ErrSourceUnavailable
	}
	found := t.topics[asked.Name]
	if found == nil || found.id != asked.ID {
		return nil, upstream.ErrLogChanged
	}
	return found, nil
}

// fetch returns the records from an offset on, at most n offsets.
func (found *topic) fetch(at record.PartitionOffset, n int) *upstream.Fetched {
	p := &found.partitions[at.Partition]
	tip := p.tip()
	f := &upstream.Fetched{Partition: at.Partition, Start: p.start, Tip: tip, Next: at}
	end, epoch := p.start+int64(len(p.records)), int32(-1)
	if at.Epoch >= 0 {
		end, epoch = p.epochEnd(at.Epoch)
	}
	if at.Offset > end {
		f.Gap = &record.Gap{Partition: at.Partition, From: end, To: at.Offset, Reason: record.GapTruncated}
		f.Next = record.PartitionOffset{Partition: at.Partition, Epoch: epoch, Offset: end}
		return f
	}
	if at.Offset < p.start {
		f.Gap = &record.Gap{Partition: at.Partition, From: at.Offset, To: p.start, Reason: record.GapRetention}
		at.Offset = p.start
		f.Next.Epoch = -1
	}
	readable := p.records[:tip-p.start]
	records := readable[min(at.Offset-p.start, int64(len(readable))):]
	records = records[:min(n, len(records))]
	f.Next.Offset = at.Offset + int64(len(records))
	if n := len(records); n > 0 {
		f.Next.Epoch = records[n-1].Epoch
	}
	f.Each = func(yield func(*record.Record) bool) {
		for i := range records {
			if records[i].visible && !yield(&records[i].Record) {
				return
			}
		}
	}
	return f
}

// Read implements upstream.Source.
func (t *Topics) Read(_ context.Context, asked record.Topic, from []record.PartitionOffset, maxBytes int, visit func(*upstream.Fetched)) error {
	t.mu.Lock()
	t.reads++
	found, err := t.find(asked)
	var all []*upstream.Fetched
	if err == nil {
		for _, at := range from {
			f := found.fetch(at, max(1, maxBytes/len(from)/1024))
			all = append(all, f)
			if t.frugal && f.Next != at {
				break
			}
		}
	}
	t.mu.Unlock()
	for _, f := range all {
		visit(f)
	}
	return err
}

// Follow implements upstream.Source.
func (t *Topics) Follow(ctx context.Context, asked record.Topic, from []record.PartitionOffset, sink upstream.Sink) error {
	places := make([]record.PartitionOffset, len(from))
	copy(places, from)
	live := true
	for {
		t.mu.Lock()
		changed, away := t.changed, t.away
		found, err := t.find(asked)
		var batch []*upstream.Fetched
		if err == nil {
			for len(places) < len(found.partitions) {
				places = append(places, record.PartitionOffset{Partition: int32(len(places)), Epoch: -1})
			}
			for i, at := range places {
				if t.held {
					break
				}
				if f := found.fetch(at, 1000); f.Next != at {
					batch = append(batch, f)
					places[i] = f.Next
				}
			}
		}
		t.mu.Unlock()
		if err != nil && !away {
			return err
		}
		if live == away {
			live = !away
			sink.Live(live, err)
		}
		if len(batch) > 0 {
			sink.Append(batch)
			continue
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		}
	}
}

// Produce implements upstream.Producer. All messages go to partition 0.
func (t *Topics) Produce(_ context.Context, name string, messages []upstream.Message, done func([]upstream.Stored)) {
	results := make([]upstream.Stored, len(messages))
	for i, m := range messages {
		r := record.Record{Key: m.Key, Value: m.Value, Headers: m.Headers, Timestamp: 1}
		if m.Timestamp > 0 {
			r.Timestamp = m.Timestamp
		}
		results[i] = upstream.Stored{Offset: t.Append(name, r), Timestamp: r.Timestamp}
	}
	go done(results)
}

// Value returns a JSON value that identifies a record.
func Value(partition int32, n int) []byte {
	return fmt.Appendf(nil, `{"p":%d,"n":%d}`, partition, n)
}
