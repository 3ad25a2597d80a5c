package hub

import (
	"fmt"
	"slices"
)

// mode is how a subscription continues. A subscription is in one mode at a time and
// changes it only according to the table of transitions.
type mode uint8

const (
	// modeStarting: the start of the subscription is being resolved.
	modeStarting mode = iota
	// modeInStep: the subscription is an index of the log and nothing else.
	// Everything of its feed before the index has been delivered, so its position is
	// that of the log, which all subscriptions at the index share.
	modeInStep
	// modeJoining: the subscription has a position of its own, whose index in the
	// log is to be found.
	modeJoining
	// modeLate: the position precedes the log. Blocks that were read from Kafka are
	// delivered.
	modeLate
	// modeOwnPosition: the subscription is at an index of the log with a position of
	// its own, which may be ahead of the index: entries that it has had are skipped.
	modeOwnPosition
	// modeBehind: the subscription had been at the tip, and records that it has not
	// had are no longer in the log. The stream's policy decides how it continues.
	modeBehind

	// A conflating subscription reads twice what it has missed, each time in the
	// modes of a subscription with a position of its own. In the first pass (scan)
	// it finds the newest record of each key, in the second (pick) it delivers
	// those.
	modeScanJoining
	modeScanLate
	modeScanLog
	modePickJoining
	modePickLate
	modePickLog

	// modeEnded: nothing more is delivered.
	modeEnded

	modes = int(modeEnded) + 1
)

// trigger is the reason for a change of mode.
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
	onRetired
	onPaused

	triggers = int(onPaused) + 1
)

// transition leads from each mode of a list to the mode at the same index of another
// list.
type transition struct {
	from []mode
	on   trigger
	to   []mode
	why  string
}

// transitions are all possible changes of mode. A transition that is not in the
// table is a bug in this package (see Subscription.on).
//
// No sequence of steps is without end. Each step of a subscription delivers
// something, or ends the call of Next, or adds a pending gap, which is delivered
// next, or makes the following tuple smaller, in lexical order:
//
//  1. what has to be started again: 1 while the index is below the floor of the log,
//     and 1 while it conflates up to a position to which the log no longer reaches
//     back;
//  2. what is left of a policy: 3 in modeBehind, 2 in the first pass of a
//     conflation, 1 in the second, else 0;
//  3. what is void: 1 while a position of its own is of another topic than the log;
//  4. how far it is from being in step: 5 joining and 4 late, where Kafka has to be
//     read before it can join the log, 3 late and 2 joining where not, 1 in the log
//     with a position of its own, 0 in step;
//  5. the entries, or offsets, from the current position to the tip.
//
// Only the log makes the tuple larger: an append, the removal of chunks, a
// truncation, a topic that is recreated. While the log does not change, each call of
// Next ends, so a subscription continues no longer than the log runs ahead of it.
// Each call does only a part of a long way (lookAtOnce, conflateAtOnce, scanAtOnce).
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

	{several(modeInStep, modeJoining, modeLate, modeOwnPosition, modeBehind), onPaused, several(modeJoining, modeJoining, modeJoining, modeJoining, modeBehind), "it keeps its position only"},
	{one(modeJoining), onFellBehind, one(modeBehind), "while it was paused at the tip, the log has given up what is next, and the policy is not to deliver all of it"},

	{one(modeBehind), onCatchUp, one(modeJoining), "the policy is to deliver all that it has missed, or there is nothing left of it, as the topic was made again"},
	{one(modeBehind), onSkip, one(modeJoining), "the policy is to go on with what is new"},
	{one(modeBehind), onConflate, one(modeScanJoining), "the policy is to deliver the newest record of each key"},
	{one(modeBehind), onCutOff, one(modeEnded), "the policy is to end it"},

	{one(modeScanLog), onScanned, one(modePickJoining), "the newest record of each key is known: it goes through them once more"},
	{one(modePickLog), onConflated, one(modeOwnPosition), "the newest record of each key has been delivered"},
	{several(modeScanLate, modeScanLog), onTooManyKeys, several(modeJoining, modeJoining), "there is no memory for so many keys: it is delivered all"},
	{conflations(), onVoid, []mode{modeJoining, modeJoining, modeJoining, modeJoining, modeLate, modeOwnPosition}, "a log that was cut short or replaced makes void which records are the newest, and a pause gives it up"},
	{several(modePickJoining, modePickLate), onOutrun, several(modeBehind, modeBehind), "what came while it was conflated is no longer in the log either"},

	{several(modeInStep, modeJoining, modeLate, modeOwnPosition, modeBehind), onGapEnd, ended(5), "it was not to go on behind a gap"},
	{delivering(), onFilterFailed, ended(len(delivering())), "a predicate of its filter has failed on the record in front of it, or cannot keep up with the stream"},
	{begun(), onRetired, ended(len(begun())), "its stream is no longer in force"},
}

func one(m mode) []mode        { return []mode{m} }
func several(m ...mode) []mode { return m }
func conflations() []mode {
	return []mode{modeScanJoining, modeScanLate, modeScanLog, modePickJoining, modePickLate, modePickLog}
}

// begun are all modes from which a subscription can end.
func begun() (all []mode) {
	for m := modeInStep; m < modeEnded; m++ {
		all = append(all, m)
	}
	return all
}

func ended(n int) []mode { return slices.Repeat(one(modeEnded), n) }

func delivering() []mode {
	return []mode{modeInStep, modeOwnPosition, modeLate, modeScanLate, modeScanLog, modePickLate, modePickLog}
}

func walk(m mode) []mode {
	return []mode{m, m - modeJoining + modeScanJoining, m - modeJoining + modePickJoining}
}
func (m mode) conflating() bool { return m >= modeScanJoining && m <= modePickLog }
func (m mode) scanning() bool   { return m >= modeScanJoining && m <= modeScanLog }

// isLate and inLog report from where the subscription is delivered records.
func (m mode) isLate() bool { return m == modeLate || m == modeScanLate || m == modePickLate }

func (m mode) inLog() bool {
	return m == modeInStep || m == modeOwnPosition || m == modeScanLog || m == modePickLog
}

// nextMode is the table by mode and trigger. No transition leads to modeStarting,
// which therefore marks what is impossible.
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
		"catch up", "skip", "conflate", "cut off", "scanned", "conflated", "too many keys", "void", "outrun", "gap that ends it", "filter failed", "retired", "paused",
	}[t]
}
