package wire

import (
	"strconv"
	"strings"
	"time"
)

// Reading says what of a stream to read and from where: the parameters of a
// query and of subscribe alike.
type Reading struct {
	From From `json:"from" validate:"-"`
	// Keys selects records with one of these keys; none selects all.
	Keys []string `json:"key" validate:"max=1000"`
	// CursorName names a cursor kept for the principal; empty for none.
	CursorName string `json:"cursor_name" validate:"omitempty,cursor_name"`
	// Reset passes over what is stored under CursorName.
	Reset bool `json:"reset"`
	// OnGap is empty for OnGapContinue.
	OnGap OnGap `json:"on_gap" validate:"omitempty,oneof=continue fail"`
	// Heartbeat is how long a stream may be quiet, 0 for the server's own
	// choice.
	Heartbeat time.Duration `json:"heartbeat"`
}

// OnGap says what becomes of a subscription with a gap.
type OnGap string

// What can become of it.
const (
	OnGapContinue OnGap = "continue"
	OnGapFail     OnGap = "fail"
)

const (
	// MaxLast is the largest N of `last:N`.
	MaxLast = 100_000
	// MinHeartbeat is the shortest heartbeat that clients can ask for.
	MinHeartbeat = time.Second
	// MaxHeartbeat is the longest.
	MaxHeartbeat = 10 * time.Minute
)

// StartKind is a way to say where reading starts.
type StartKind uint8

// The kinds of starts.
const (
	// StartUnset: nothing was said. It is the tip, or for a page the newest
	// hundred, unless a cursor is stored under the name given.
	StartUnset StartKind = iota
	StartLatest
	StartEarliest
	// StartTime: at From.Time.
	StartTime
	// StartAgo: From.Ago before now.
	StartAgo
	// StartLast: the newest From.N.
	StartLast
	// StartCursor: at From.Cursor.
	StartCursor
)

// From is where reading starts. Only the field that its kind names is set.
type From struct {
	Kind   StartKind
	Time   time.Time
	Ago    time.Duration
	N      int
	Cursor string
}

// At is the time to start from, for StartTime and StartAgo.
func (f From) At(now time.Time) time.Time {
	if f.Kind == StartAgo {
		return now.Add(-f.Ago)
	}
	return f.Time
}

// ParseFrom reads a start: `latest`, `earliest`, a time in RFC 3339, a time
// before now like `-5m` or `-2d`, `last:N` with N up to MaxLast, or a cursor.
// It fails with BadCursor for a cursor that cannot be one, else BadRequest.
// What a cursor holds is not looked at.
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
			return From{}, Errorf(BadRequest, "last:N needs an N from 1 to %d", MaxLast)
		}
		return From{Kind: StartLast, N: count}, nil
	}
	if ago, ok := strings.CutPrefix(text, "-"); ok {
		d, ok := parseSpan(ago)
		if !ok {
			return From{}, Errorf(BadRequest, "a time before now is like -90s, -5m, -24h or -7d")
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
	return From{}, Errorf(BadRequest, "must be latest, earliest, a time (RFC 3339, or relative like -5m), last:N or a cursor")
}

// parseSpan reads a positive duration as Go writes it, or in days.
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

// looksLikeCursor reports whether text begins with a version, `v` and digits
// and a dot, as cursors of all versions do.
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

// plausibleCursor reports whether text has the form of a cursor of this
// version: base64url, and behind a tilde what the client has seen since, where
// streams can be named.
func plausibleCursor(text string) bool {
	body, ok := strings.CutPrefix(text, "v1.")
	if !ok {
		return false
	}
	body, seen, _ := strings.Cut(body, "~")
	return body != "" && madeOf(body, "-_") && madeOf(seen, "-_.:,/")
}

// madeOf reports whether text has only letters and digits of ASCII, and others.
func madeOf(text, others string) bool {
	for i := range len(text) {
		c := text[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && strings.IndexByte(others, c) < 0 {
			return false
		}
	}
	return true
}
