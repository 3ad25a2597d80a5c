package hub

import (
	"sluice/hub/cursors"
	"sluice/hub/event"
	"sluice/hub/record"
)

// Owner is whoever a subscription delivers to.
type Owner interface {
	// Pump tells that a subscription may have something to deliver. It must
	// not block, and must see to it that Next is called before long.
	Pump()
}

// Subscription is a place in a feed. It holds no records: it reads the log, or
// what of Kafka precedes the log, as its owner asks for more.
//
// All methods are for the one goroutine that the owner has deliver at a time,
// Close too.
type Subscription struct {
	// Immutable.
	hub       *Hub
	stream    *stream
	log       *log
	feed      *Feed
	owner     Owner
	shard     int
	principal string
	failOnGap bool
	start     StartKind
	labelled  bool // events carry the feed's name

	slot int // in feed.subs, guarded by feed.mu

	mode    mode
	pending *pendingGaps // nil for none
	ended   record.GapReason

	// Where it is.
	index uint64           // in the log, 0 while it is not in it
	at    *mark            // at that index, while own is nil
	own   *record.Position // nil while it is in step, and at an end of that
	fell  uint64           // the index at which it fell out of the log, else 0

	// What a mode has to itself.
	late       *late
	conflation *conflation

	live   bool           // it has been at the tip
	target uint64         // where it has caught up
	caught bool           // that was said
	breaks cursors.Breaks // that were reported
	status *Status
}

// takeFunc takes some of entries i to n of a chunk and returns where it
// stopped: i when it is full.
type takeFunc func(c *chunk, i, n int) int

// Next adds to the batch what the subscription has ready, in a format, up to
// room bytes; an event that is larger is alone in its batch. It reports whether
// there is more right away; if not, the owner will be told by Pump. Events with
// the feed's name in them can go over room by one.
func (s *Subscription) Next(b *Batch, f event.Format, room int) (more bool) {
	room += b.Bytes
	return s.next(b, func(c *chunk, i, n int) int {
		if i == n || b.Bytes >= room {
			return i
		}
		return s.takePlain(b, f, c, i, n, room)
	})
}

// takePlain takes entries as they lie in a format.
func (s *Subscription) takePlain(b *Batch, f event.Format, c *chunk, i, n, room int) int {
	if s.labelled {
		return s.takeLabelled(b, f, c, i, n, room)
	}
	framed := c.framed(f, n)
	j := i
	for j < n && (j == i && b.Bytes == 0 || b.Bytes+int(framed.ends[j]-framed.start(i)) <= room) {
		s.count(b, c.at(j))
		j++
	}
	if j == i {
		return i
	}
	if bytes := framed.slice(i, j); len(bytes) > 0 {
		b.add(bytes)
	}
	return j
}

// takeLabelled takes entries with the feed's name in them.
func (s *Subscription) takeLabelled(b *Batch, f event.Format, c *chunk, i, n, room int) int {
	for j := i; j < n; j++ {
		if j > i && b.Bytes >= room {
			return j
		}
		if e := c.at(j); e.kind != entryAdvance {
			b.add(s.feed.labelled(c, j, f))
			s.count(b, e)
		}
	}
	return n
}

// Collect calls visit with the JSON text of up to records events and gaps, and
// reports whether there is more right away.
func (s *Subscription) Collect(records int, visit func(isGap bool, body []byte)) (more bool) {
	var b Batch
	return s.next(&b, func(c *chunk, i, n int) int {
		for ; i < n; i++ {
			kind := c.at(i).kind
			if kind == entryAdvance {
				continue
			}
			if records == 0 {
				return i
			}
			visit(kind == entryGap, c.body(i))
			s.count(&b, c.at(i))
			records--
		}
		return i
	})
}

// count counts what is delivered.
func (s *Subscription) count(b *Batch, e *entry) {
	switch e.kind {
	case entryRecord:
		b.Records++
	case entryGap:
		b.Gaps++
		s.stream.reported[e.reason].Add(1)
	case entryAdvance:
	}
}

// CaughtUp reports, once, that everything that stood in the topic when the
// subscription began has been delivered.
func (s *Subscription) CaughtUp() bool {
	if s.caught || s.pending != nil || s.index < s.target || s.mode == modeEnded {
		return false
	}
	s.caught = true
	return true
}

// StatusChange tells, once each time, that its stream can no longer be read
// from Kafka or can again.
func (s *Subscription) StatusChange() (Status, bool) {
	now := s.log.status.Load()
	if now == s.status {
		return Status{}, false
	}
	s.status = now
	return *now, true
}

// Ended is why the subscription has nothing more to deliver, or empty: the
// reason of the gap that it was not to go on behind, or SlowConsumer.
func (s *Subscription) Ended() record.GapReason { return s.ended }

// Position is behind all that Next has given out.
func (s *Subscription) Position() record.Position {
	switch {
	case s.pending != nil:
		return s.pending.before.Clone()
	case s.conflation != nil:
		return s.conflation.position()
	case s.own == nil:
		return s.at.at
	}
	return s.own.Clone()
}

// Cursor is the text of a cursor behind all that Next has given out.
func (s *Subscription) Cursor() string {
	if s.own == nil && s.pending == nil {
		return s.at.cursor(s.stream.Name)
	}
	return record.Cursor{At: s.hub.now(), Streams: []record.StreamPosition{{Stream: s.stream.Name, Position: s.Position()}}}.String()
}

// Stream is the public name of the stream.
func (s *Subscription) Stream() string { return s.stream.Name }

// Feed is the feed that it is a place in.
func (s *Subscription) Feed() *Feed { return s.feed }

// AtTip reports whether it has delivered everything that has come so far.
func (s *Subscription) AtTip() bool {
	tip := s.log.tip.Load()
	switch {
	case s.pending != nil || s.conflation != nil:
		return false
	case s.index == tip.index:
		return true
	}
	// A subscription that was late may have had it all before it joins the log.
	return s.own != nil && s.own.Covers(tip.at)
}
