package transport

import (
	"strings"

	"sluice/hub"
	"sluice/transport/wire"
)

// How many bytes operators are shown of a text of a client, and how many keys.
const shownText, shownKeys = 256, 10

// look is the question of operators to one session: of all who ask before it is answered.
// sight may be read once done is closed.
type look struct {
	done  chan struct{}
	sight sight
}

// sight is what the executor of a session tells.
type sight struct {
	records, gaps, bytes uint64 // that were sent

	buffered int
	subs     []subscriptionSight
}

// subscriptionSight is what the executor tells of a subscription.
type subscriptionSight struct {
	id, stream, pattern, state string
	// at is where it is; the zero value for a pattern without a stream. Whoever looks works out
	// from it how far behind that is, and not the executor.
	at    hub.Whereabouts
	which *which
}

// which is what a client reads of a stream, in its own words.
type which struct {
	cursorName, filter, keyPrefix string
	keys                          []string // some of them
	more                          int      // how many others there are
}

// whichOf returns what a client reads, nil for a whole stream without a named cursor.
func whichOf(r wire.Reading, takes bool) *which {
	made := which{filter: beginningOf(r.Filter), keyPrefix: beginningOf(r.KeyPrefix)}
	if takes {
		made.cursorName = r.CursorName
	}
	for _, key := range r.Keys[:min(len(r.Keys), shownKeys)] {
		made.keys = append(made.keys, beginningOf(key))
	}
	made.more = len(r.Keys) - len(made.keys)
	if made.cursorName == "" && made.filter == "" && made.keyPrefix == "" && made.keys == nil {
		return nil
	}
	return &made
}

// beginningOf returns the beginning of a text, which does not keep the rest in memory.
func beginningOf(text string) string {
	if len(text) <= shownText {
		return text
	}
	return strings.ToValidUTF8(text[:shownText], "") + "…"
}

// The states of subscriptions, as operators see them.
const (
	stateLive      = "live"      // it has had everything that was read
	stateReplaying = "replaying" // it has not been live yet
	stateBehind    = "behind"    // it was live, and has to catch up
	statePaused    = "paused"    // its client has paused it
	stateWaiting   = "waiting"   // its pattern has no stream yet
)
