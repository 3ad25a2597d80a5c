package redisstore

import (
	"context"
	_ "embed" // the scripts
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"sluice/hub/ingest/once"
)

//go:embed claim.lua
var claimSource string

//go:embed settle.lua
var settleSource string

var (
	claimScript  = redis.NewScript(claimSource)
	settleScript = redis.NewScript(settleSource)
)

var _ once.Store = (*Store)(nil)

// messageKey returns the key of a message id. The braces are the hash tag.
func (s *Store) messageKey(key string) string { return s.prefix + "message:{" + key + "}" }

// runIDs runs scripts on message ids in one round trip.
func (s *Store) runIDs(ctx context.Context, doing string, calls []*scripted) error {
	return s.call(ctx, doing, func(ctx context.Context) error { return s.runAll(ctx, calls) })
}

// Claim claims message ids, up to 512 in one round trip.
func (s *Store) Claim(ctx context.Context, claims []once.Claim) []once.Outcome {
	outcomes := make([]once.Outcome, len(claims))
	for from := 0; from < len(claims); from += callsPerRoundTrip {
		to := min(from+callsPerRoundTrip, len(claims))
		calls := make([]*scripted, 0, to-from)
		for _, c := range claims[from:to] {
			calls = append(calls, &scripted{script: claimScript, keys: []string{s.messageKey(c.Key)}, args: []any{
				c.Digest, c.Fence, c.Token, max(c.Since.UnixMilli(), 0), c.Lease.Milliseconds(), (c.Window + c.Lease).Milliseconds(),
			}})
		}
		err := s.runIDs(ctx, "claim message ids", calls)
		for i, call := range calls {
			outcomes[from+i] = outcomeOf(call, err)
		}
	}
	return outcomes
}

// states are the first value of what claim.lua returns.
var states = map[string]once.State{
	"granted": once.Granted, "taken": once.Taken, "claimed": once.Claimed, "undecided": once.Undecided,
	"settled": once.Settled, "conflict": once.Conflict,
}

var errClaimAnswer = errors.New("the script returned something else")

// outcomeOf returns the outcome of a claim; failed is the error of the whole call.
func outcomeOf(call *scripted, failed error) once.Outcome {
	if call.reply == nil {
		return once.Outcome{Err: failed}
	}
	answer, err := call.reply.StringSlice()
	if err != nil {
		if failed == nil {
			failed = fmt.Errorf("claim message id: %w", err)
		}
		return once.Outcome{Err: failed}
	}
	state, known := states[answer[0]]
	switch {
	case known && len(answer) == 1 && state == once.Conflict:
		return once.Outcome{State: state}
	case known && len(answer) == 2 && state == once.Settled:
		return once.Outcome{State: state, Answer: answer[1]}
	case known && len(answer) == 3:
		since, err := strconv.ParseInt(answer[2], 10, 64)
		if err == nil {
			return once.Outcome{State: state, Token: answer[1], Since: time.UnixMilli(since)}
		}
	}
	return once.Outcome{Err: fmt.Errorf("claim message id: %w", errClaimAnswer)}
}

// fates are the first argument of settle.lua.
var fates = [...]string{
	once.Answered: "answered", once.Free: "free", once.Withdrawn: "withdrawn", once.Lost: "lost", once.Back: "back",
}

// Settle records what became of claims, up to 512 in one round trip.
func (s *Store) Settle(ctx context.Context, settlements []once.Settlement) []error {
	errs := make([]error, len(settlements))
	for from := 0; from < len(settlements); from += callsPerRoundTrip {
		to := min(from+callsPerRoundTrip, len(settlements))
		calls := make([]*scripted, 0, to-from)
		for _, one := range settlements[from:to] {
			calls = append(calls, &scripted{script: settleScript, keys: []string{s.messageKey(one.Key)}, args: []any{
				fates[one.Fate], one.Digest, one.Fence, one.Token, one.Answer, one.Window.Milliseconds(),
			}})
		}
		failed := s.runIDs(ctx, "settle message ids", calls)
		for i, call := range calls {
			switch {
			case failed != nil: // some may have been settled, which can be repeated
				errs[from+i] = failed
			case call.reply.Err() != nil:
				errs[from+i] = fmt.Errorf("settle message id: %w", call.reply.Err())
			}
		}
	}
	return errs
}
