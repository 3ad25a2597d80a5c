package wire

import (
	"strconv"
	"strings"
	"time"

	"sluice/hub/record"
)

// Reading specifies what of a stream to read and from where. The parameters are
// the same in a query and in subscribe.
type Reading struct {
	From From `json:"from" validate:"-"`
	// Keys selects records with one of these keys; no keys select all records.
	Keys []string `json:"key" validate:"max=1000"`
	// KeyPrefix selects records whose key begins with it; empty selects all.
	KeyPrefix string `json:"key_prefix" validate:"max=1000"`
	// Headers selects records that have all of these headers.
	Headers []HeaderValue `json:"header" validate:"max=10"`
	// Filter is an expression, which the server compiles; empty for none.
	Filter string `json:"filter" validate:"-"`
	// CursorName names a cursor kept for the principal; empty for none.
	CursorName string `json:"cursor_name" validate:"omitempty,cursor_name"`
	// Reset ignores what is stored under CursorName.
	Reset bool `json:"reset"`
	// OnGap is empty for OnGapContinue.
	OnGap OnGap `json:"on_gap" validate:"omitempty,oneof=continue fail"`
	// Heartbeat is how long a stream may be quiet, 0 for the server's default.
	Heartbeat time.Duration `json:"heartbeat"`
}

// HeaderValue is `header.NAME`: the last header with the name has the value.
type HeaderValue struct {
	Name, Value string
}

// headerPrefix begins the names of fields and parameters that select by header.
const headerPrefix = "header."

// OnGap is what a subscription does at a gap.
type OnGap string

// The values of OnGap.
const (
	OnGapContinue OnGap = "continue"
	OnGapFail     OnGap = "fail"
)

const (
	// MaxLast is the largest N of `last:N`.
	MaxLast = 100_000
	// MaxWait is the longest time that a request can wait for records.
	MaxWait = 30 * time.Second
	// DefaultReplyWait is how long a client waits for the reply to a record if it does
	// not say so.
	DefaultReplyWait = 5 * time.Second
	// MinHeartbeat is the shortest heartbeat that clients can ask for.
	MinHeartbeat = time.Second
	// MaxHeartbeat is the longest heartbeat that clients can ask for.
	MaxHeartbeat = 10 * time.Minute
)

// StartKind is a way to specify where reading starts.
type StartKind uint8

// The kinds of starts.
const (
	// StartUnset: no start was given. Reading starts at the tip, or for a page
	// with the newest hundred records, unless a cursor is stored under the given
	// name.
	StartUnset StartKind = iota
	StartLatest
	StartEarliest
	// StartTime: at From.Time.
	StartTime
	// StartAgo: From.Ago before now.
	StartAgo
	// StartLast: the newest From.N records.
	StartLast
	// StartOffset: at From.Offsets, other partitions at the tip.
	StartOffset
	// StartCursor: at From.Cursor.
	StartCursor

	startKinds
)

// StartKinds returns all kinds.
func StartKinds() []StartKind {
	kinds := make([]StartKind, startKinds)
	for i := range kinds {
		kinds[i] = StartKind(i)
	}
	return kinds
}

// From is where reading starts. Only the field of its kind is set.
type From struct {
	Kind   StartKind
	Time   time.Time
	Ago    time.Duration
	N      int
	Cursor string
	// Offsets are in the order of their partitions, each at most once, without epochs.
	Offsets []record.PartitionOffset
}

// At returns the time to start from, for StartTime and StartAgo.
func (f From) At(now time.Time) time.Time {
	if f.Kind == StartAgo {
		return now.Add(-f.Ago)
	}
	return f.Time
}

// String returns a start in a form that ParseFrom parses, empty for none. Equal starts
// have equal texts.
func (f From) String() string {
	switch f.Kind {
	case StartUnset:
		return ""
	case StartLatest:
		return "latest"
	case StartEarliest:
		return "earliest"
	case StartTime:
		return f.Time.UTC().Format(time.RFC3339Nano)
	case StartAgo:
		return "-" + f.Ago.String()
	case StartLast:
		return "last:" + strconv.Itoa(f.N)
	case StartOffset:
		return "offset:" + offsetsText(f.Offsets)
	case StartCursor:
		return f.Cursor
	}
	panic("a start of an unknown kind has no text")
}

// ParseFrom parses a start: `latest`, `earliest`, a time in RFC 3339, a time
// before now like `-5m` or `-2d`, `last:N` with N up to MaxLast, offsets of up to
// MaxStartOffsets partitions like `offset:2:118273,5:77`, or a cursor. It fails with
// BadCursor for a malformed cursor, else with BadRequest. It does not decode the
// cursor.
func ParseFrom(text string) (From, *Error) {
	switch text {
	case "latest":
		return From{Kind: StartLatest}, nil
	case "earliest":
		return From{Kind: StartEarliest}, nil
	}
	if n, ok := strings.CutPrefix(text, "last:"); ok {
		count, err := strconv.Atoi(n)
		if err != nil || count < 1 || count > MaxLast || n[0] == '+' {
			return From{}, Errorf(BadRequest, "in last:N, N must be from 1 to %d", MaxLast)
		}
		return From{Kind: StartLast, N: count}, nil
	}
	if list, ok := strings.CutPrefix(text, "offset:"); ok {
		places, fault := parseOffsets(list)
		if fault != nil {
			return From{}, fault
		}
		return From{Kind: StartOffset, Offsets: places}, nil
	}
	if ago, ok := strings.CutPrefix(text, "-"); ok {
		d, ok := parseSpan(ago)
		if !ok {
			return From{}, Errorf(BadRequest, "a relative time must be like -90s, -5m, -24h or -7d")
		}
		return From{Kind: StartAgo, Ago: d}, nil
	}
	if looksLikeCursor(text) {
		if !plausibleCursor(text) {
			return From{}, Errorf(BadCursor, "the cursor is damaged or of an unknown version")
		}
		return From{Kind: StartCursor, Cursor: text}, nil
	}
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return From{Kind: StartTime, Time: at}, nil
	}
	return From{}, Errorf(BadRequest, "must be latest, earliest, a time (RFC 3339, or relative like -5m), last:N, offset:PARTITION:OFFSET or a cursor")
}

// parseSpan parses a positive duration in Go's syntax, or in days.
func parseSpan(text string) (time.Duration, bool) {
	const day = 24 * time.Hour
	if text == "" || text[0] < '0' || text[0] > '9' {
		return 0, false
	}
	if days, ok := strings.CutSuffix(text, "d"); ok {
		n, err := strconv.ParseUint(days, 10, 32)
		if err != nil || n == 0 || n > uint64(1<<63-1)/uint64(day) {
			return 0, false
		}
		return time.Duration(n) * day, true
	}
	d, err := time.ParseDuration(text)
	return d, err == nil && d > 0
}

// looksLikeCursor reports whether text begins with a version, `v` and digits, and
// a dot, as cursors of all versions do.
func looksLikeCursor(text string) bool {
	version, _, ok := strings.Cut(text, ".")
	if !ok || len(version) < 2 || version[0] != 'v' {
		return false
	}
	for _, c := range version[1:] {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}

// plausibleCursor reports whether text has the form of a cursor of this version:
// base64url, and optionally after a tilde what the client has seen since, in
// which streams can be named.
func plausibleCursor(text string) bool {
	body, ok := strings.CutPrefix(text, "v1.")
	if !ok {
		return false
	}
	body, seen, _ := strings.Cut(body, "~")
	return body != "" && madeOf(body, "-_") && madeOf(seen, "-_.:,/")
}

// madeOf reports whether text consists only of ASCII letters and digits, and of
// the others.
func madeOf(text, others string) bool {
	for i := range len(text) {
		c := text[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && strings.IndexByte(others, c) < 0 {
			return false
		}
	}
	return true
}
