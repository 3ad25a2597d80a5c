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

// Claim claims message ids, up to 512 in one round trip. Most are new, and need no script; the
// others are asked for in further round trips.
func (s *Store) Claim(ctx context.Context, claims []once.Claim) []once.Outcome {
	outcomes := make([]once.Outcome, len(claims))
	for from := 0; from < len(claims); from += callsPerRoundTrip {
		to := min(from+callsPerRoundTrip, len(claims))
		s.claim(ctx, claims[from:to], outcomes[from:to])
	}
	return outcomes
}

func (s *Store) claim(ctx context.Context, claims []once.Claim, outcomes []once.Outcome) {
	sets := make([]*setting, len(claims))
	for i, c := range claims {
		sets[i] = &setting{key: s.messageKey(c.Key), value: claimed(c), lives: c.Lease + c.Window, new: true}
	}
	err := s.call(ctx, "claim message ids", func(ctx context.Context) error { return s.setAll(ctx, sets) })
	var calls []*scripted
	var index []int // of the calls
	for i, c := range claims {
		reply := sets[i].reply
		switch {
		case reply == nil || err != nil:
			outcomes[i] = once.Outcome{Err: err}
		case errors.Is(reply.Err(), redis.Nil):
			index = append(index, i)
			calls = append(calls, &scripted{script: claimScript, keys: []string{sets[i].key}, args: []any{
				c.Digest, c.Fence, c.Token, sinceMillis(c), c.Lease.Milliseconds(), c.Window.Milliseconds(),
			}})
		case reply.Err() != nil:
			outcomes[i] = once.Outcome{Err: fmt.Errorf("claim message id: %w", reply.Err())}
		default:
			outcomes[i] = once.Outcome{State: once.Granted, Token: c.Token, Since: time.UnixMilli(sinceMillis(c))}
		}
	}
	err = s.runMany(ctx, "claim message ids", calls)
	for n, call := range calls {
		outcomes[index[n]] = outcomeOf(call, err)
	}
}

func sinceMillis(c once.Claim) int64 { return max(c.Since.UnixMilli(), 0) }

// claimed returns the value of an id that is claimed for the first time; see claim.lua.
func claimed(c once.Claim) string {
	return fmt.Sprintf("claimed %s %d %d %s 0 %s", c.Fence, c.Window.Milliseconds(), sinceMillis(c), c.Token, c.Digest)
}

// setting sets a key; reply is nil until it was sent.
type setting struct {
	key, value string
	lives      time.Duration
	new        bool // only if there is no such key: otherwise the reply is redis.Nil
	reply      *redis.Cmd
}

// setAll sets keys in one round trip. It returns errors of the connection; the refusal of a
// single one is in its reply.
func (s *Store) setAll(ctx context.Context, all []*setting) error {
	if len(all) == 0 {
		return nil
	}
	pipe := s.client.Pipeline()
	for _, one := range all {
		args := []any{"set", one.key, one.value, "px", one.lives.Milliseconds()}
		if one.new {
			args = append(args, "nx")
		}
		one.reply = pipe.Do(ctx, args...)
	}
	_, err := pipe.Exec(ctx)
	if err != nil && !answered(err) {
		return err
	}
	refused := false // see send
	for _, one := range all {
		own := one.reply.Err()
		if own != nil && !answered(own) {
			return own
		}
		refused = refused || own != nil
	}
	if refused {
		return nil
	}
	return err
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
	case known && (len(answer) == 3 || len(answer) == 4):
		var left int64
		since, err := strconv.ParseInt(answer[2], 10, 64)
		if err == nil && len(answer) == 4 {
			left, err = strconv.ParseInt(answer[3], 10, 64)
		}
		if err == nil {
			return once.Outcome{State: state, Token: answer[1], Since: time.UnixMilli(since), Left: time.Duration(left) * time.Millisecond}
		}
	}
	return once.Outcome{Err: fmt.Errorf("claim message id: %w", errClaimAnswer)}
}

// fates are the first argument of settle.lua.
var fates = [...]string{once.Free: "free", once.Withdrawn: "withdrawn", once.Lost: "lost", once.Back: "back"}

// Settle records what became of claims, up to 512 in one round trip. An answer is the truth
// about the record of the claim, whatever stands there by now, and needs no script.
func (s *Store) Settle(ctx context.Context, settlements []once.Settlement) []error {
	errs := make([]error, len(settlements))
	for from := 0; from < len(settlements); from += callsPerRoundTrip {
		to := min(from+callsPerRoundTrip, len(settlements))
		s.settle(ctx, settlements[from:to], errs[from:to])
	}
	return errs
}

func (s *Store) settle(ctx context.Context, settlements []once.Settlement, errs []error) {
	var sets []*setting
	var calls []*scripted
	replies := make([]func() *redis.Cmd, len(settlements))
	for i, one := range settlements {
		key := s.messageKey(one.Key)
		if one.Fate == once.Answered {
			set := &setting{key: key, value: "settled " + one.Digest + " " + one.Answer, lives: one.Window}
			sets, replies[i] = append(sets, set), func() *redis.Cmd { return set.reply }
			continue
		}
		call := &scripted{script: settleScript, keys: []string{key}, args: []any{fates[one.Fate], one.Fence}}
		calls, replies[i] = append(calls, call), func() *redis.Cmd { return call.reply }
	}
	failed := s.call(ctx, "settle message ids", func(ctx context.Context) error { return s.setAll(ctx, sets) })
	if failed == nil {
		failed = s.runMany(ctx, "settle message ids", calls)
	}
	for i := range settlements {
		// If all has failed, some may have been settled, which can be repeated.
		if errs[i] = failed; failed == nil && replies[i]().Err() != nil {
			errs[i] = fmt.Errorf("settle message id: %w", replies[i]().Err())
		}
	}
}
