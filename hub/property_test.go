package hub_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"sluice/hub"
	"sluice/hub/filter"
	"sluice/hub/hubtest"
	"sluice/hub/record"
)

// modelTopic is the content of the topic: everything that was ever written, by
// partition and offset, except what was truncated.
type modelTopic struct {
	*hubtest.Topics
	written    int
	partitions []modelPartition
	// former are the topics of that name that there have been before, the oldest
	// first. What was owed to a client of them may still come.
	former [][]modelPartition
}

type modelPartition struct {
	start   int64 // Kafka keeps nothing before this offset
	records []modelRecord
	epoch   int32
	lowest  int64 // the lowest offset of all truncations that lost something
	cuts    int   // their number
}

// modelRecord is a record or, if n is 0, an offset without a visible record.
type modelRecord struct {
	n     int
	key   string // "" for none
	epoch int32
}

// replaced reports whether a position is of a log that was truncated before it.
func (p *modelPartition) replaced(at record.PartitionOffset) bool {
	if at.Offset > int64(len(p.records)) {
		return true
	}
	return at.Epoch >= 0 && at.Offset > 0 && p.records[at.Offset-1].epoch > at.Epoch
}

func (m *modelTopic) create(partitions int) {
	m.Create("orders.v1", partitions)
	if m.partitions != nil {
		m.former = append(m.former, m.partitions)
	}
	m.partitions = make([]modelPartition, partitions)
}

func (m *modelTopic) append(partition int, key string, pad int) {
	m.written++
	r := record.Record{
		Partition: int32(partition), Timestamp: int64(m.written),
		Value:   fmt.Appendf(nil, `{"n":%d,"pad":%q,"in":{"five":%d}}`, m.written, strings.Repeat("x", pad), m.written%5),
		Headers: []record.Header{{Name: []byte("parity"), Value: fmt.Append(nil, m.written%2)}},
	}
	if key != "" {
		r.Key = []byte(key)
	}
	m.Append("orders.v1", r)
	p := &m.partitions[partition]
	p.records = append(p.records, modelRecord{m.written, key, p.epoch})
}

// modelClient is what one client has received of the topic, and what may come next.
type modelClient struct {
	topic  *modelTopic
	keys   []string
	where  *thirds // nil for none
	fives  []int   // the remainders by five that the client wants; nil for any
	odd    bool    // only odd numbers
	policy hub.SlowPolicy
	next   map[int32]int64 // everything before it was delivered, reported, or not for the filter
	made   int             // how often the topic was recreated
	owed   map[int32]int   // how many recreations may still be reported, by partition
	// void are the offsets at which the client has resumed that are of a log which was
	// truncated since. Once Kafka keeps nothing before them, it cannot tell that.
	void map[int32]int64
	log  []string
}

func (c *modelClient) wants(r modelRecord) bool {
	return r.n > 0 && (len(c.keys) == 0 || r.key != "" && slices.Contains(c.keys, r.key)) && (c.where == nil || r.n%3 == 0) &&
		(c.fives == nil || slices.Contains(c.fives, r.n%5)) && (!c.odd || r.n%2 == 1)
}

// filter returns the client's filter without the keys, its parts in any order.
func (c *modelClient) filter(t *rapid.T) filter.Filter {
	var parts []filter.Filter
	if c.where != nil {
		parts = append(parts, filter.Where(c.where))
	}
	if c.fives != nil {
		var values []filter.Value
		for _, n := range c.fives {
			values = append(values, filter.Number(float64(n)))
		}
		parts = append(parts, filter.In(filter.Data("in", "five"), values...))
	}
	if c.odd {
		parts = append(parts, filter.In(filter.Header("parity"), filter.String("1")))
	}
	var all filter.Filter
	for _, part := range rapid.Permutation(parts).Draw(t, "order of the filter") {
		all = all.And(part)
	}
	return all
}

// thirds is a predicate that every third number passes.
type thirds struct{}

func (*thirds) Canonical() string { return "thirds" }

func (*thirds) Passes(r *filter.Record) (bool, error) {
	text, _ := r.Field("n")
	n, err := strconv.Atoi(string(text))
	return n%3 == 0, err
}

// complete fails if a record that the client wants lies between what it has received
// and an offset.
func (c *modelClient) complete(partition int32, to int64) error {
	if int(partition) >= len(c.topic.partitions) {
		return nil
	}
	records := c.topic.partitions[partition].records
	for offset := c.next[partition]; offset < min(to, int64(len(records))); offset++ {
		if c.wants(records[offset]) {
			return fmt.Errorf("offset %d of partition %d was passed over, on the way to %d", offset, partition, to)
		}
	}
	return nil
}

// see handles one event or gap.
func (c *modelClient) see(body []byte) error {
	var e struct {
		seenEvent
		Data struct{ N int }
	}
	if err := json.Unmarshal(body, &e); err != nil {
		return err
	}
	c.log = append(c.log, string(body[:min(len(body), 110)]))
	if e.Type == "gap" && e.Reason == string(record.GapLogChanged) {
		if c.made == 0 {
			return errors.New("the topic was not made again")
		}
		c.next[e.Partition] = 0
		c.owed[e.Partition]--
		return nil
	}
	p := &c.topic.partitions[e.Partition]
	if e.Type != "gap" {
		switch {
		case e.Offset < c.next[e.Partition]:
			return fmt.Errorf("offset %d of partition %d comes after %d", e.Offset, e.Partition, c.next[e.Partition])
		case e.Offset >= int64(len(p.records)) || p.records[e.Offset].n != e.Data.N || !c.wants(p.records[e.Offset]):
			return fmt.Errorf("offset %d of partition %d does not hold number %d, or is not for the filter", e.Offset, e.Partition, e.Data.N)
		}
		err := c.complete(e.Partition, e.Offset)
		c.next[e.Partition] = e.Offset + 1
		return err
	}
	if record.GapReason(e.Reason) == record.GapTruncated {
		if p.cuts == 0 || e.From < p.lowest {
			return fmt.Errorf("partition %d was not cut short at %d", e.Partition, e.From)
		}
		err := c.complete(e.Partition, e.From)
		c.next[e.Partition] = e.From
		return err
	}
	err := c.mayBeMissing(p, e.seenEvent)
	if void, ok := c.void[e.Partition]; err == nil && (!ok || void != e.From) {
		err = c.complete(e.Partition, e.From)
	}
	if err != nil && c.owed[e.Partition] > 0 && c.ofFormer(e.seenEvent) {
		return nil
	}
	c.next[e.Partition] = max(c.next[e.Partition], e.To)
	return err
}

// ofFormer reports whether a gap is one of a topic that there was before.
func (c *modelClient) ofFormer(e seenEvent) bool {
	return slices.ContainsFunc(c.topic.former, func(partitions []modelPartition) bool {
		return int(e.Partition) < len(partitions) && c.mayBeMissing(&partitions[e.Partition], e) == nil
	})
}

// mayBeMissing checks a gap of a log that was not truncated.
func (c *modelClient) mayBeMissing(p *modelPartition, e seenEvent) error {
	switch record.GapReason(e.Reason) {
	case record.GapRetention:
		if e.To > p.start {
			return fmt.Errorf("partition %d is kept from %d on", e.Partition, p.start)
		}
		return nil
	case record.GapPolicy:
		if err := c.mayDrop(p, e.From, e.To); err != nil {
			return fmt.Errorf("partition %d: %w", e.Partition, err)
		}
		return nil
	}
	return fmt.Errorf("nothing is %s", e.Reason)
}

// mayDrop checks a gap of GapPolicy against the policy.
func (c *modelClient) mayDrop(p *modelPartition, from, to int64) error {
	switch c.policy {
	case hub.SlowSkip:
		return nil
	case hub.SlowConflate:
		if p.cuts > 0 {
			return nil // the newer record may have been truncated
		}
		if to > int64(len(p.records)) {
			return fmt.Errorf("offset %d does not exist", to-1)
		}
		for offset := from; offset < to; offset++ {
			r := p.records[offset]
			if c.wants(r) && (r.key == "" || !slices.ContainsFunc(p.records[offset+1:], func(newer modelRecord) bool { return newer.key == r.key && c.wants(newer) })) {
				return fmt.Errorf("offset %d is the newest of its key, and was dropped", offset)
			}
		}
		return nil
	}
	return errors.New("the policy drops nothing")
}

// leads fails if a cursor covers something that the client has not received.
func (c *modelClient) leads(cursor string, topic record.TopicID) error {
	parsed, err := record.ParseCursor(cursor)
	if err != nil {
		return err
	}
	at, _ := parsed.Position("orders")
	if at.Topic != topic {
		return nil // it is void
	}
	for _, o := range at.Offsets {
		if int(o.Partition) >= len(c.topic.partitions) || c.topic.partitions[o.Partition].replaced(o) {
			continue // which is reported to a client that resumes there
		}
		if err := c.complete(o.Partition, o.Offset); err != nil {
			return fmt.Errorf("the cursor leads: %w", err)
		}
	}
	return nil
}

// modelRun is one run of the property.
type modelRun struct {
	*rapid.T
	topic  modelTopic
	client modelClient
	config hub.Config
	hub    *hub.Hub
	stop   func() // of the hub
	reader *reader
	cutOff bool // the log may be truncated, else topics are recreated
}

// settle lets the hub read what was written.
func settle() {
	time.Sleep(time.Millisecond)
	synctest.Wait()
}

func (m *modelRun) subscribe(start hub.Start) {
	m.reader = &reader{bell: make(bell, 1)}
	var err error
	m.reader.Subscription, _, err = m.hub.Subscribe(context.Background(), hub.Request{
		Stream: "orders", Keys: m.client.keys, Filter: m.client.filter(m.T), Start: start, Replay: -1, Owner: m.reader.bell,
		Labelled: rapid.Bool().Draw(m.T, "labelled"), Principal: "p",
	})
	if err != nil {
		m.Fatal(err)
	}
}

func (m *modelRun) topicID() record.TopicID {
	topic, err := m.topic.Topic(context.Background(), "orders.v1")
	if err != nil {
		m.Fatal(err)
	}
	return topic.ID
}

// check fails the run with what the client has seen.
func (m *modelRun) check(err error) {
	if err != nil {
		m.Fatalf("%v; it is %s at %v; before that came\n%s", err, m.reader.Mode(), m.reader.Position(), strings.Join(m.client.log[max(0, len(m.client.log)-30):], "\n"))
	}
}

// take has the client take something once, and sometimes gives a part of it back.
func (m *modelRun) take() (more bool) {
	if m.reader.Paused() {
		if m.reader.Collect(100, func(_ bool, body []byte) { m.Fatalf("it delivers %s while it is paused", body) }) {
			m.Fatal("it has more while it is paused")
		}
		m.check(m.client.leads(m.reader.Cursor(), m.topicID()))
		return false
	}
	if rapid.Bool().Draw(m.T, "collect") {
		more = m.reader.Collect(rapid.IntRange(1, 200).Draw(m.T, "records"), func(_ bool, body []byte) { m.check(m.client.see(body)) })
		m.check(m.client.leads(m.reader.Cursor(), m.topicID()))
		return more
	}
	var b hub.Batch
	bookmark := m.reader.Bookmark()
	more = m.reader.Next(&b, frame{}, rapid.IntRange(1, 40_000).Draw(m.T, "room"))
	var lines []string
	for _, buf := range b.Bufs {
		lines = slices.AppendSeq(lines, strings.Lines(string(buf)))
	}
	if rapid.IntRange(0, 3).Draw(m.T, "rewind") == 0 {
		written := rapid.IntRange(0, b.Bytes).Draw(m.T, "written")
		if stay, ok := m.reader.Rewind(bookmark, frame{}, written); ok {
			lines = lines[:stay.Records+stay.Gaps]
			if n := len(strings.Join(lines, "")); n != stay.Bytes || n <= written {
				m.Fatalf("%d bytes stay given out, of which %d were written; the events are %d", stay.Bytes, written, n)
			}
			more = true
		}
	}
	for _, line := range lines {
		m.check(m.client.see([]byte(line)))
	}
	m.check(m.client.leads(m.reader.Cursor(), m.topicID()))
	return more
}

// start starts an instance, which stop ends.
func (m *modelRun) start() {
	h, err := hub.New(m.config)
	if err != nil {
		m.Fatal(err)
	}
	h.WatchSteps(func(fault string) { m.Fatal(fault) })
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = h.Run(ctx) })
	m.hub, m.stop = h, func() { cancel(); running.Wait() }
}

// resume closes the subscription and resumes from its cursor, sometimes at another
// instance, which has nothing in memory.
func (m *modelRun) resume() {
	cursor, err := record.ParseCursor(m.reader.Cursor())
	m.check(err)
	m.reader.Close()
	if rapid.IntRange(0, 3).Draw(m.T, "instance") == 0 {
		m.stop()
		m.start()
	}
	at, _ := cursor.Position("orders")
	if at.Topic == m.topicID() {
		for p := range m.topic.partitions {
			// A partition that the cursor does not have is read from its beginning.
			p, begin := int32(p), m.topic.partitions[p].start
			m.client.next[p] = min(max(m.client.next[p], begin), at.Offset(p, begin))
			delete(m.client.void, p)
			if from, ok := at.Find(p); ok && m.topic.partitions[p].replaced(from) {
				m.client.void[p] = from.Offset
			}
		}
	}
	m.client.log = append(m.client.log, fmt.Sprintf("it resumes at %v", at.Offsets))
	m.subscribe(hub.Start{Kind: hub.StartCursor, Position: at})
}

func (m *modelRun) pick() (int, *modelPartition) {
	i := rapid.IntRange(0, len(m.topic.partitions)-1).Draw(m.T, "partition")
	return i, &m.topic.partitions[i]
}

// actions are what happens, in any order.
func (m *modelRun) actions() map[string]func(*rapid.T) {
	on := func(do func()) func(*rapid.T) {
		return func(t *rapid.T) { m.T = t; do(); settle() }
	}
	return map[string]func(*rapid.T){
		"append": on(func() { m.write(1, 40) }),
		"burst":  on(func() { m.write(100, 300) }),
		"hidden": on(func() {
			i, p := m.pick()
			n := rapid.IntRange(1, 3).Draw(m.T, "offsets")
			m.topic.Skip("orders.v1", int32(i), n)
			p.records = append(p.records, slices.Repeat([]modelRecord{{epoch: p.epoch}}, n)...)
		}),
		"expire": on(func() {
			i, p := m.pick()
			p.start += rapid.Int64Range(0, int64(len(p.records))-p.start).Draw(m.T, "expired")
			m.topic.Expire("orders.v1", int32(i), p.start)
		}),
		"cut or make anew": on(m.cutOrMakeAnew),
		"elect":            on(m.elect),
		"read": on(func() {
			for range rapid.IntRange(1, 5).Draw(m.T, "times") {
				if !m.take() {
					settle()
				}
			}
		}),
		"read all": on(func() { m.release(); m.readAll() }),
		"hold":     on(func() { m.topic.Hold(true) }),
		"release":  on(m.release),
		"resume":   on(m.resume),
		"pause":    on(func() { m.reader.Pause() }),
		"go on":    on(func() { m.reader.Resume(nil) }),
	}
}

func (m *modelRun) write(least, most int) {
	pad := rapid.IntRange(0, 600).Draw(m.T, "pad")
	for _, at := range rapid.SliceOfN(rapid.IntRange(0, 1<<16), least, most).Draw(m.T, "records") {
		key := ""
		if k := at % 7; k > 0 {
			key = fmt.Sprintf("k%d", k)
		}
		m.topic.append(at/7%len(m.topic.partitions), key, pad)
	}
}

// release lets the hub follow the topic again.
func (m *modelRun) release() {
	m.topic.Hold(false)
	settle()
}

func (m *modelRun) cutOrMakeAnew() {
	m.release() // else the hub would deliver what it has of the log before
	if !m.cutOff {
		for p := range m.topic.partitions {
			m.client.owed[int32(p)]++
		}
		m.topic.create(rapid.IntRange(1, 3).Draw(m.T, "partitions"))
		m.client.made++
		return
	}
	i, p := m.pick()
	// A position whose epoch is not known cannot be told from one that was
	// truncated.
	first := slices.IndexFunc(p.records[p.start:], func(r modelRecord) bool { return r.n > 0 })
	if first < 0 || int(p.start)+first+1 > len(p.records) {
		return
	}
	to := rapid.Int64Range(p.start+int64(first)+1, int64(len(p.records))).Draw(m.T, "cut")
	m.topic.Truncate("orders.v1", int32(i), to)
	p.epoch++
	if to == int64(len(p.records)) {
		return
	}
	if p.cuts++; p.cuts == 1 || to < p.lowest {
		p.lowest = to
	}
	p.records = p.records[:to:to]
}

// elect gives a partition another leader, which has all records.
func (m *modelRun) elect() {
	i, p := m.pick()
	m.topic.Elect("orders.v1", int32(i))
	p.epoch++
}

// readAll reads up to the end of the topic, and fails if it is not reached.
func (m *modelRun) readAll() {
	m.reader.Resume(nil)
	for n := range 10_000 {
		more := false
		if n < 10 {
			more = m.take()
		} else {
			more = m.reader.Collect(1000, func(_ bool, body []byte) { m.check(m.client.see(body)) })
		}
		switch {
		case m.reader.Ended() == hub.SlowConsumer && m.client.policy == hub.SlowDisconnect:
			m.resume()
		case m.reader.Ended() != "":
			m.Fatalf("it ended: %s", m.reader.Ended())
		case more:
		case m.reader.AtTip():
			for p := range m.topic.partitions {
				m.check(m.client.complete(int32(p), int64(len(m.topic.partitions[p].records))))
			}
			return
		default:
			settle()
		}
	}
	m.check(errors.New("it does not come to the end"))
}

// TestSubscriptionProperty: whatever happens to a topic and to a client, the client
// gets each record once and in order, or a gap is reported, and its cursor does not
// lead.
func TestSubscriptionProperty(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { rapid.Check(noDeadline{t}, runModel) })
}

// noDeadline is a test without the deadline that rapid asks for, which is useless
// with synthetic time.
type noDeadline struct{ testing.TB }

// hastyClock is a clock that runs ahead with each look at it, for some time, and then
// not: predicates seem to become costly, and quick again.
func hastyClock() func() time.Time {
	var looks, ahead atomic.Int64
	return func() time.Time {
		if looks.Add(1)/500%2 == 0 {
			ahead.Add(int64(100 * time.Microsecond))
		}
		return time.Now().Add(time.Duration(ahead.Load()))
	}
}

func runModel(t *rapid.T) {
	m := &modelRun{T: t, topic: modelTopic{Topics: hubtest.New()}, cutOff: rapid.Bool().Draw(t, "truncations")}
	policy := rapid.SampledFrom([]hub.SlowPolicy{hub.SlowCatchUp, hub.SlowConflate, hub.SlowSkip, hub.SlowDisconnect}).Draw(t, "policy")
	keys := rapid.SampledFrom([][]string{nil, {"k1"}, {"k2", "k3"}}).Draw(t, "keys")
	m.client = modelClient{topic: &m.topic, keys: keys, policy: policy, next: make(map[int32]int64), owed: make(map[int32]int), void: make(map[int32]int64)}
	if rapid.Bool().Draw(t, "predicate") {
		m.client.where = new(thirds)
	}
	m.client.fives = rapid.SampledFrom([][]int{nil, {0}, {1, 4}, {2, 3, 4, 7}}).Draw(t, "fives")
	m.client.odd = rapid.Bool().Draw(t, "odd")
	m.topic.create(rapid.IntRange(1, 3).Draw(t, "partitions"))
	for p := range m.topic.partitions {
		m.topic.append(p, "k1", 0)
	}
	m.config = hub.Config{
		Streams: []hub.Stream{{
			Name: "orders", Topic: "orders.v1", Source: &m.topic, RecordBytes: 1 << 20, Slow: policy, Linger: time.Hour,
			LogBytes: rapid.SampledFrom([]int{1, 30 << 10, 1 << 20}).Draw(t, "log bytes"),
			Backfill: rapid.SampledFrom([]time.Duration{0, 1 << 62}).Draw(t, "backfill"),
		}},
		Shards: 1, Wake: pumpOwners, Logger: slog.New(slog.DiscardHandler), Now: time.Now,
		Limits: hub.Limits{StartTimeout: time.Minute, LateMemory: rapid.SampledFrom([]int{0, 1, 10 << 10, 1 << 20}).Draw(t, "late memory"), ReplaysPerInstance: rapid.IntRange(0, 2).Draw(t, "replays")},
	}
	if rapid.Bool().Draw(t, "hasty") {
		m.config.Now = hastyClock()
	}
	m.start()
	defer func() { m.stop() }()
	m.subscribe(hub.Start{Kind: rapid.SampledFrom([]hub.StartKind{hub.StartEarliest, hub.StartLatest}).Draw(t, "start")})
	defer func() { m.reader.Close() }()
	for _, at := range m.reader.Position().Offsets {
		m.client.next[at.Partition] = at.Offset
	}
	settle()
	t.Repeat(m.actions())
	m.T = t
	m.release()
	m.readAll()
}
