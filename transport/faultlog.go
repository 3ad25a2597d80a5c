package transport

import (
	"context"
	"log/slog"
	"maps"
	"sync"
	"time"

	"sluice/transport/wire"
)

const (
	// reasonsMost is how many faults of one code are told apart in the log at a time.
	reasonsMost = 8
	// reasonBytes bounds what is kept of a message, and of a cause, to tell faults apart.
	reasonBytes = 256
)

// faultLog logs faults, at most one per second for each code and reason. Of the reasons
// of a code that are too many, one fault per second is logged.
type faultLog struct {
	logger *slog.Logger
	level  slog.Level // of faults of clients
	now    func() time.Time

	mu   sync.Mutex
	last map[wire.Code]*faultCounts
}

func newFaultLog(logger *slog.Logger, level slog.Level, now func() time.Time) *faultLog {
	return &faultLog{logger: logger, level: level, now: now, last: make(map[wire.Code]*faultCounts)}
}

// faultReason is why a request failed: what the client was told, and the cause.
type faultReason struct{ message, cause string }

// faultCounts are the faults of one code.
type faultCounts struct {
	reasons map[faultReason]*faultCount
	others  faultCount // whose reason is not in the map
}

type faultCount struct {
	at     time.Time
	unsaid int // since at
}

func (l *faultLog) note(fault *wire.Error, address string) {
	cause := ""
	if fault.Cause != nil {
		cause = fault.Cause.Error()
	}
	now := l.now()
	more, others, due := l.count(fault.Code, faultReason{shortened(fault.Message), shortened(cause)}, now)
	if !due {
		return
	}
	level := l.level
	if fault.Code == wire.Internal {
		level = slog.LevelError
	}
	attrs := []slog.Attr{
		slog.String("code", string(fault.Code)), slog.String("message", fault.Message), slog.String("address", address),
	}
	if cause != "" {
		attrs = append(attrs, slog.String("cause", cause))
	}
	if more > 0 {
		attrs = append(attrs, slog.Int("more_since", more))
	}
	if others > 0 {
		attrs = append(attrs, slog.Int("others_since", others))
	}
	l.logger.LogAttrs(context.Background(), level, "fault on a client connection", attrs...)
}

// count counts a fault, and reports whether it is to be logged. Then more is how many with
// the same code and reason, and others how many with the same code and other reasons, were
// not since the last time.
func (l *faultLog) count(code wire.Code, reason faultReason, now time.Time) (more, others int, due bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := l.last[code]
	if all == nil {
		all = &faultCounts{reasons: make(map[faultReason]*faultCount)}
		l.last[code] = all
	}
	seen := all.reasons[reason]
	if seen == nil && len(all.reasons) >= reasonsMost {
		// What is due is logged anyway when it comes again.
		maps.DeleteFunc(all.reasons, func(_ faultReason, c *faultCount) bool {
			over := now.Sub(c.at) >= time.Second
			if over {
				all.others.unsaid += c.unsaid
			}
			return over
		})
	}
	switch {
	case seen != nil:
	case len(all.reasons) < reasonsMost:
		seen = &faultCount{}
		all.reasons[reason] = seen
	default:
		if now.Sub(all.others.at) < time.Second {
			all.others.unsaid++
			return 0, 0, false
		}
		others = all.others.unsaid
		all.others = faultCount{at: now}
		return 0, others, true
	}
	if now.Sub(seen.at) < time.Second {
		seen.unsaid++
		return 0, 0, false
	}
	more = seen.unsaid
	*seen = faultCount{at: now}
	return more, 0, true
}

// shortened bounds the memory of a text.
func shortened(text string) string {
	if len(text) <= reasonBytes {
		return text
	}
	return text[:reasonBytes]
}
