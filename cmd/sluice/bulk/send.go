package bulk

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"sluice/transport/client"
)

// The wait before a request is sent again, in addition to what the server asks for: the n-th
// time between 0 and minBackoff·2ⁿ, at most maxBackoff.
const (
	minBackoff = 100 * time.Millisecond
	maxBackoff = 5 * time.Second
)

// sender sends batches.
type sender struct {
	*Config
	ids     *ids
	retries atomic.Int64
}

// send publishes the lines of a batch until it is known what has become of them, the time for
// that is over, or the context has ended; a request that is sent is still answered. b.err says
// why there is no sense in sending more.
func (s *sender) send(ctx context.Context, b *batch) {
	defer close(b.done)
	b.err = s.sendLines(ctx, b, b.lines)
}

func (s *sender) sendLines(ctx context.Context, b *batch, lines []item) error {
	began := s.Now()
	for attempt := 0; len(lines) > 0; attempt++ {
		results, err := s.publish(context.WithoutCancel(ctx), lines)
		if half := len(lines) / 2; half > 0 && aboutRecords(err) {
			// It is too large, or one line is what is wrong with it: nothing of it is stored.
			if err := s.sendLines(ctx, b, lines[:half]); err != nil {
				return err
			}
			return s.sendLines(ctx, b, lines[half:])
		}
		var wait time.Duration
		if lines, wait = b.settle(lines, results, err); len(lines) == 0 {
			return stopsAll(err)
		}
		wait += rand.N(min(maxBackoff, minBackoff<<min(attempt, 10)) + 1) //nolint:gosec // nothing secret depends on it
		// A quota tells when it will be free, and stores nothing until then.
		quota := refusedWith(err, http.StatusTooManyRequests)
		if !quota && s.Now().Sub(began)+wait > s.RetryFor {
			b.giveUp(lines)
			return lines[0].last
		}
		s.retries.Add(1)
		s.Retrying(lines[0].number, lines[0].last, wait)
		if !s.Pause(ctx, wait) {
			b.giveUp(lines)
			return context.Cause(ctx)
		}
	}
	return nil
}

// settle takes the outcomes of lines from an answer, that to each or an error for all. It returns
// those that are to be sent again, and when the server wants that at the earliest.
func (b *batch) settle(lines []item, results []client.Result, err error) (again []item, after time.Duration) {
	for i, line := range lines {
		at := client.Stored{}
		if line.last = err; err == nil {
			at, line.last = results[i].Stored, results[i].Err
		}
		maybe := errors.Is(line.last, client.ErrMaybeStored)
		line.unknown = line.unknown || maybe
		refused, ok := errors.AsType[*client.Error](line.last)
		if ok && refused.Retryable && (line.message.ID != "" || !maybe) {
			again = append(again, line)
			after = max(after, refused.RetryAfter)
			continue
		}
		b.outcomes = append(b.outcomes, line.outcome(at))
	}
	return again, after
}

// giveUp takes the last answers about lines as their outcomes.
func (b *batch) giveUp(lines []item) {
	for _, line := range lines {
		b.outcomes = append(b.outcomes, line.outcome(client.Stored{}))
	}
}

// outcome returns what an answer means for a line. A refusal says nothing of the attempts
// before, one of which may have stored the record.
func (l item) outcome(at client.Stored) Outcome {
	err := l.last
	if err != nil && l.unknown && !errors.Is(err, client.ErrMaybeStored) {
		err = &maybe{err}
	}
	return Outcome{Line: l.number, At: at, Err: err}
}

// maybe is a refusal after an attempt that may have stored the record.
type maybe struct{ last error }

func (m *maybe) Error() string { return m.last.Error() }

// Is hides that the last attempt has certainly not stored the record.
func (m *maybe) Is(target error) bool { return target == client.ErrMaybeStored }

// publish sends one request. If the stream takes no ids, the lines are sent without.
func (s *sender) publish(ctx context.Context, lines []item) ([]client.Result, error) {
	plain := s.ids.refused()
	messages := make([]client.Message, len(lines))
	for i := range lines {
		if plain {
			lines[i].message.ID = ""
		}
		messages[i] = lines[i].message
	}
	results, err := s.Publish(ctx, messages)
	if plain || !s.ids.mayRefuse(results, err) {
		return results, err
	}
	for i := range messages {
		messages[i].ID = ""
	}
	without, err2 := s.Publish(ctx, messages)
	if !s.ids.learn(without, err2) {
		return results, err // the ids were not what was wrong
	}
	for i := range lines {
		lines[i].message.ID = ""
	}
	return without, err2
}

// refusedWith reports whether a request is refused as a whole with one of some statuses.
func refusedWith(err error, statuses ...int) bool {
	refused, ok := errors.AsType[*client.Error](err)
	return ok && slices.Contains(statuses, refused.Status)
}

// aboutRecords reports whether a request is refused as a whole because of what is in it: fewer
// records, or others, would not be.
func aboutRecords(err error) bool {
	return refusedWith(err, http.StatusBadRequest, http.StatusConflict, http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity)
}

// stopsAll returns the error of a request for which others would be refused, too.
func stopsAll(err error) error {
	if aboutRecords(err) {
		return nil
	}
	return err
}
