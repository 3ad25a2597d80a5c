package hub

import (
	"slices"
	"sync/atomic"
	"time"

	"sluice/hub/cursors"
	"sluice/hub/record"
	"sluice/hub/redact"
)

// Subscription is a position in a feed. It holds no records: it reads the log, or
// the records before the log from Kafka, as its owner asks for more.
//
// All methods, including Close, must be called from one goroutine at a time: the one
// in which the owner delivers, except for Replays.
type Subscription struct {
	// Immutable.
	hub       *Hub
	stream    *stream
	log       *log
	owner     Owner
	shard     int
	client    client
	failOnGap bool
	labelled  bool // events carry the feed's name
	redaction *redact.Redaction

	feed *Feed // another one while it is paused
	slot int   // in feed.subs, guarded by feed.mu

	start StartKind
	lease int64 // that its cursors name, see record.StreamPosition

	mode    mode
	paused  bool
	pending *pendingGaps // nil for none
	ended   record.GapReason

	// The current position.
	index uint64           // in the log, 0 while the subscription is not in the log
	at    *mark            // the mark at that index, while own is nil
	own   *record.Position // nil while in step, and after ending while in step
	fell  uint64           // the index at which it fell below the floor of the log, else 0

	// Evaluating a filter with predicates on what is read before the feed is in step.
	inquiry *inquiry // nil before the first
	judging judging
	aside   bool // it evaluates nothing itself

	// State that belongs to a mode.
	late       *late
	conflation *conflation

	live   atomic.Bool    // it has reached the tip at some time
	target uint64         // the index at which it has caught up
	caught bool           // CaughtUp has reported it
	breaks cursors.Breaks // those that were reported
	status *Status
}

// reachTip notes that the subscription has reached the tip, which costs little if it has before.
func (s *Subscription) reachTip() {
	if !s.live.Load() {
		s.live.Store(true)
	}
}

// inquiry is what a subscription wants to have evaluated in a turn.
type inquiry struct {
	task
	sub *Subscription
	// feed is that of the subscription, which may be paused while the turn runs.
	feed *Feed
	// waiting is set until the turn has ended.
	waiting atomic.Bool

	// The first entry, owned by the turn while waiting is set: an index in the log, or a
	// position in a block.
	index uint64
	late  bool
	place record.PartitionOffset
	cache *blockCache
}

// judging is what a subscription has evaluated itself in a call of deliver.
type judging struct {
	evaluated int
	spent     time.Duration
	// halted is set when it has come to a record that is not to be evaluated now, unknown
	// if that is to be done in a turn.
	halted, unknown bool
}

// takeFunc takes some of entries i to n of a chunk and returns where it
// stopped: i when it is full.
type takeFunc func(c *chunk, i, n int) int

// pendingGaps are gaps that a subscription delivers before anything else, in any
// mode: gaps of its own, which the log and the blocks do not contain.
type pendingGaps struct {
	gaps      *chunk
	delivered int // number of gaps delivered
	// before is the position before the first of the gaps. The cursor of the
	// subscription stays there until all of them have been delivered.
	before record.Position
}

// progress is the result of a step of a subscription.
type progress uint8

const (
	// onward: another step follows.
	onward progress = iota
	// waiting: there is nothing to deliver for now; the owner will be pumped.
	waiting
	// full: there is more, but not in this call.
	full
)

// CaughtUp reports, once, that everything that was in the topic when the
// subscription began has been delivered.
func (s *Subscription) CaughtUp() bool {
	if s.caught || s.pending != nil || s.index < s.target || s.mode == modeEnded {
		return false
	}
	s.caught = true
	return true
}

// StatusChange reports, once for each change, that the stream has become unavailable
// from Kafka or available again.
func (s *Subscription) StatusChange() (Status, bool) {
	now := s.log.status.Load()
	if now == s.status {
		return Status{}, false
	}
	s.status = now
	return *now, true
}

// Ended returns why the subscription has nothing more to deliver: the reason of the
// gap that was to end it, SlowConsumer, FilterFailed or StreamChanged. It is empty
// while the subscription has not ended.
func (s *Subscription) Ended() record.GapReason { return s.ended }

// Position returns the position after everything that Next has returned.
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

// Cursor returns the text of a cursor after everything that Next has returned.
func (s *Subscription) Cursor() string {
	made := s.hub.now()
	if s.own == nil && s.pending == nil {
		if s.lease == 0 {
			return s.at.cursor(s.stream.Name)
		}
		made = s.at.made // it stays the same while it is at the mark
	}
	return record.Cursor{At: made, Streams: []record.StreamPosition{s.StreamPosition()}}.String()
}

// StreamPosition returns the position after everything that Next has returned as a part of a
// cursor.
func (s *Subscription) StreamPosition() record.StreamPosition {
	return record.StreamPosition{Stream: s.stream.Name, Position: s.Position(), Lease: s.lease}
}

// Under has the cursors of the subscription name the lease of a named cursor, which its
// owner has taken for it.
func (s *Subscription) Under(lease int64) { s.lease = lease }

// Stream returns the public name of the stream.
func (s *Subscription) Stream() string { return s.stream.Name }

// Feed returns the feed of the subscription.
func (s *Subscription) Feed() *Feed { return s.feed }

// AtTip reports whether the subscription has delivered everything that was read so
// far.
func (s *Subscription) AtTip() bool {
	tip := s.log.tip.Load()
	switch {
	case s.pending != nil || s.conflation != nil:
		return false
	case s.index == tip.index:
		return true
	}
	// A late subscription may have delivered all of it before it joins the log.
	return s.own != nil && s.own.Covers(tip.at)
}

// on changes the mode, and creates and removes the state that belongs to a mode.
func (s *Subscription) on(t trigger) {
	from, to := s.mode, nextMode[s.mode][t]
	if to == modeStarting {
		impossible(s, t)
		return
	}
	s.mode = to
	if from.isLate() && !to.isLate() {
		s.endLate()
	}
	if from.conflating() && !to.conflating() {
		s.endConflation()
	}
	if !from.isLate() && to.isLate() {
		s.beLate()
	}
	if from.inLog() && !to.inLog() && to != modeEnded {
		s.index = 0
	}
	if s.hub.moved != nil {
		s.hub.moved(s, from, t, to)
	}
}

// end ends the subscription; nothing more is delivered. Ended returns the reason.
func (s *Subscription) end(t trigger, reason record.GapReason) {
	s.ended = reason
	s.on(t)
}

// impossible handles a transition that is not in the table: the subscription ends.
// The client returns with its cursor, which is correct at any time. In tests
// impossible panics.
var impossible = func(s *Subscription, t trigger) {
	s.stream.logger.Error("invalid state transition of a subscription; ending the subscription",
		"mode", s.mode.String(), "trigger", t.String())
	s.ended, s.mode = SlowConsumer, modeEnded
}

// addGap makes a gap pending, to be delivered before anything else. The caller must
// then move the position of the subscription past the gap.
func (s *Subscription) addGap(g record.Gap, epoch int32) {
	var d chunkBuilder
	s.stream.encoder.gap(&d, g, epoch)
	s.addGaps(d.chunk(record.Position{}))
}

// addGaps makes all gaps of a chunk pending, after those that are pending already.
func (s *Subscription) addGaps(gaps *chunk) {
	if s.pending == nil {
		s.pending = &pendingGaps{gaps: gaps, before: s.Position().Clone()}
		return
	}
	was := s.pending.gaps
	d := chunkBuilder{entries: slices.Clone(was.entries), bodies: slices.Clone(was.bodies)}
	for i := range gaps.len() {
		d.bodies = append(d.bodies, gaps.body(i)...)
		d.add(*gaps.at(i))
	}
	s.pending.gaps = d.chunk(record.Position{})
}

// beLate begins to read the records before the log.
func (s *Subscription) beLate() {
	s.late = &late{cache: s.log.cache, client: s.client, owner: s.owner}
}

// endLate is called when the subscription is no longer late.
func (s *Subscription) endLate() {
	s.hub.blocks.leave(s.late)
	s.late = nil
}

// endConflation removes the conflation.
func (s *Subscription) endConflation() {
	s.hub.conflated.Add(-int64(len(s.conflation.newest)))
	s.conflation = nil
}
