package hub

import (
	"fmt"
)

// mode says how a subscription goes on. It is in one mode at a time, and changes
// it only as the table of transitions says.
type mode uint8

const (
	// modeStarting: where it begins is being found out.
	modeStarting mode = iota
	// modeInStep: it is an index of the log and no more than that. All that its
	// feed has in front of the index has been delivered, so that the position is
	// that of the log, which all subscriptions at the index share.
	modeInStep
	// modeJoining: it has a position of its own, whose index in the log is to be
	// found.
	modeJoining
	// modeLate: its position precedes the log. It is delivered blocks that were
	// read from Kafka.
	modeLate
	// modeOwnPosition: it is at an index of the log with a position of its own,
	// which may be ahead of the index: entries that it has had are passed over.
	modeOwnPosition
	// modeBehind: it had been at the tip, and what it has not had is no longer in
	// the log. The stream's policy says how it goes on.
	modeBehind

	// A conflating subscription goes twice through what it has missed, each time
	// as another one does that has a position of its own. In the first pass it
	// looks for the newest record of each key, in the second one it picks them.
	modeScanJoining
	modeScanLate
	modeScanLog
	modePickJoining
	modePickLate
	modePickLog

	// modeEnded: it delivers nothing any more.
	modeEnded

	modes = int(modeEnded) + 1
)

// trigger is why a subscription changes its mode.
type trigger uint8

const (
	onTip trigger = iota
	onPosition
	onFound
	onMark
	onPast
	onFloor
	onBelowFloor
	onFellBehind
	onNarrowed
	onCatchUp
	onSkip
	onConflate
	onCutOff
	onScanned
	onConflated
	onTooManyKeys
	onVoid
	onOutrun
	onGapEnd
	onFilterFailed

	triggers = int(onFilterFailed) + 1
)

// transition leads from each mode of a list to the one at the same place of
// another list.
type transition struct {
	from []mode
	on   trigger
	to   []mode
	why  string
}

// transitions are all changes of a mode that there are. None is impossible by
// accident: what is not in the table is a fault of this package (see on).
//
// No way through the modes is without end. Each step of a subscription delivers
// something, or ends the call of Next, or adds a pending gap, which is delivered
// next, or it makes the following smaller, of which the first that differs counts:
//
//  1. what has to be started anew: 1 while its index is below the floor of the log,
//     and 1 while it conflates up to a position that the log no longer reaches back
//     to;
//  2. what is left of a policy: 3 in modeBehind, 2 in the first pass of a
//     conflation, 1 in the second, else 0;
//  3. what is void: 1 while a position of its own is of another topic than the log;
//  4. how far it is from being in step: 5 joining and 4 late, where Kafka has to be
//     read before it can join the log, 3 late and 2 joining where not, 1 in the log
//     with a position of its own, 0 in step;
//  5. the entries, or offsets, from where it is up to the tip.
//
// Only the log makes it larger: an append, chunks that are given up, a truncation, a
// topic that is made again. For a log that stands still each call of Next ends, so
// no subscription goes on for longer than the log runs ahead of it; and of long
// ways each call does a part (lookAtOnce, conflateAtOnce, scanAtOnce).
var transitions = []transition{
	{one(modeStarting), onTip, one(modeInStep), "it begins with what is new"},
	{one(modeStarting), onPosition, one(modeJoining), "it begins at a position"},

	{walk(modeJoining), onFound, walk(modeOwnPosition), "the log reaches back to its position"},
	{one(modeJoining), onMark, one(modeInStep), "the log has an index at which all that it has had is in front, and nothing else"},
	{walk(modeJoining), onPast, walk(modeLate), "its position precedes the log, or Kafka has to show that the log is still the one that it has read"},
	{walk(modeLate), onFloor, walk(modeJoining), "it has read all that precedes the log"},
	{one(modeOwnPosition), onMark, one(modeInStep), "the index has come to where its position is"},

	{append(one(modeInStep), walk(modeOwnPosition)...), onBelowFloor, append(one(modeJoining), walk(modeJoining)...), "the log no longer has its index, and the policy has no say: it has not been at the tip, the log was emptied, or it conflates already"},
	{several(modeInStep, modeOwnPosition), onFellBehind, several(modeBehind, modeBehind), "the log has given up what it has not had yet, and it had been at the tip"},
	{one(modeInStep), onNarrowed, one(modeOwnPosition), "its right to replay has become smaller, so its position is moved up"},

	{one(modeBehind), onCatchUp, one(modeJoining), "the policy is to deliver all that it has missed, or there is nothing left of it, as the topic was made again"},
	{one(modeBehind), onSkip, one(modeJoining), "the policy is to go on with what is new"},
	{one(modeBehind), onConflate, one(modeScanJoining), "the policy is to deliver the newest record of each key"},
	{one(modeBehind), onCutOff, one(modeEnded), "the policy is to end it"},

	{one(modeScanLog), onScanned, one(modePickJoining), "the newest record of each key is known: it goes through them once more"},
	{one(modePickLog), onConflated, one(modeOwnPosition), "the newest record of each key has been delivered"},
	{several(modeScanLate, modeScanLog), onTooManyKeys, several(modeJoining, modeJoining), "there is no memory for so many keys: it is delivered all"},
	{conflations(), onVoid, []mode{modeJoining, modeJoining, modeJoining, modeJoining, modeLate, modeOwnPosition}, "a log that was cut short or replaced makes void which records are the newest"},
	{several(modePickJoining, modePickLate), onOutrun, several(modeBehind, modeBehind), "what came while it was conflated is no longer in the log either"},

	{several(modeInStep, modeJoining, modeLate, modeOwnPosition, modeBehind), onGapEnd, several(modeEnded, modeEnded, modeEnded, modeEnded, modeEnded), "it was not to go on behind a gap"},
	{delivering(), onFilterFailed, several(modeEnded, modeEnded, modeEnded, modeEnded, modeEnded, modeEnded, modeEnded), "a predicate of its filter has failed on the record in front of it"},
}

func one(m mode) []mode        { return []mode{m} }
func several(m ...mode) []mode { return m }
func conflations() []mode {
	return []mode{modeScanJoining, modeScanLate, modeScanLog, modePickJoining, modePickLate, modePickLog}
}

func delivering() []mode {
	return []mode{modeInStep, modeOwnPosition, modeLate, modeScanLate, modeScanLog, modePickLate, modePickLog}
}

func walk(m mode) []mode {
	return []mode{m, m - modeJoining + modeScanJoining, m - modeJoining + modePickJoining}
}
func (m mode) conflating() bool { return m >= modeScanJoining && m <= modePickLog }
func (m mode) scanning() bool   { return m >= modeScanJoining && m <= modeScanLog }

// isLate and inLog tell from where the subscription is delivered records.
func (m mode) isLate() bool { return m == modeLate || m == modeScanLate || m == modePickLate }

func (m mode) inLog() bool {
	return m == modeInStep || m == modeOwnPosition || m == modeScanLog || m == modePickLog
}

// nextMode is the table by mode and trigger; modeStarting, which nothing leads to,
// stands for what is impossible.
var nextMode = func() (next [modes][triggers]mode) {
	for _, t := range transitions {
		for i, from := range t.from {
			if next[from][t.on] != modeStarting {
				panic(fmt.Sprintf("hub: two transitions from %v on %v", from, t.on))
			}
			next[from][t.on] = t.to[i]
		}
	}
	return next
}()

func (m mode) String() string {
	return [modes]string{
		"starting", "in step", "joining", "late", "own position", "behind",
		"scanning: joining", "scanning: late", "scanning: in the log",
		"picking: joining", "picking: late", "picking: in the log", "ended",
	}[m]
}

func (t trigger) String() string {
	return [triggers]string{
		"tip", "position", "found", "mark", "past", "floor", "below the floor", "fell behind", "narrowed",
		"catch up", "skip", "conflate", "cut off", "scanned", "conflated", "too many keys", "void", "outrun", "gap that ends it", "filter failed",
	}[t]
}
