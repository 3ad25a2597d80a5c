package hub

import (
	"slices"
	"sluice/hub/cursors"
	"sluice/hub/record"
)

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

// pendingGaps are what a subscription is owed before anything else, in whatever
// mode it is: gaps of its own, which the log and the blocks do not have.
type pendingGaps struct {
	gaps      *chunk
	delivered int // of them
	// before is where it was in front of the first of them. Its cursor is that
	// until all of them have been delivered.
	before record.Position
}

// progress is what a step of a subscription has come to.
type progress uint8

const (
	// onward: there is another step.
	onward progress = iota
	// waiting: there is nothing to deliver for now; its owner will be pumped.
	waiting
	// full: there is more, but not now.
	full
)

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

// on changes the mode, and begins and ends what a mode has to itself.
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

// end is for a subscription that delivers nothing any more, and why.
func (s *Subscription) end(t trigger, reason record.GapReason) {
	s.ended = reason
	s.on(t)
}

// impossible is for a transition that is not in the table. Its subscriber comes
// back with the cursor, which is right at any time; in tests it is a panic.
var impossible = func(s *Subscription, t trigger) {
	s.stream.logger.Error("a subscription was to change its mode in a way that there is not; it ends",
		"mode", s.mode.String(), "trigger", t.String())
	s.ended, s.mode = SlowConsumer, modeEnded
}

// addGap has a gap delivered before anything else. The position of the
// subscription is to be moved behind the gap after that.
func (s *Subscription) addGap(g record.Gap, epoch int32) {
	var d chunkBuilder
	s.stream.encoder.gap(&d, g, epoch)
	s.addGaps(d.chunk(record.Position{}))
}

// addGaps has all gaps of a chunk delivered, behind those that are pending.
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

// beLate begins to read what precedes the log.
func (s *Subscription) beLate() {
	s.late = &late{cache: s.log.cache, principal: s.principal, owner: s.owner}
}

// endLate is for whoever is late no more.
func (s *Subscription) endLate() {
	s.hub.blocks.leave(s.late)
	s.late = nil
}

// endConflation goes on without.
func (s *Subscription) endConflation() {
	s.hub.conflated.Add(-int64(len(s.conflation.newest)))
	s.conflation = nil
}
