package redisstore

import (
	"context"
	"time"

	"github.com/redis/go-redis/v9"
)

// callsPerRoundTrip bounds a pipeline, so that what is sent and
// answered at once takes little memory, and little of a call's timeout.
const callsPerRoundTrip = 512

// scriptsPerCall is how many scripts there are in a first call, whose answers are awaited together
// within one timeout. What is asked again after a failure is as much as before: it must be answered
// even if Redis, or an imitation of it, takes some hundred times as long for a script as it should.
// Calls grow while they take little of the timeout: with 64 scripts in each, a fifth of the commits
// per second is lost where a round trip takes 0.5 ms.
const scriptsPerCall = 64

// quickShare of the timeout is what a call takes at most behind which one of twice the size follows.
const quickShare = 16

// scripted is a run of a script in a pipeline; reply is nil until it was sent.
type scripted struct {
	script *redis.Script
	keys   []string
	args   []any
	reply  *redis.Cmd
}

// runAll runs scripts in one round trip. A server that restarted, or whose scripts were
// flushed, is sent the scripts themselves in a second one; in a Cluster any node may lack
// them. It returns errors of the connection; what a script answers is in its reply.
func (s *Store) runAll(ctx context.Context, all []*scripted) error {
	if err := s.send(ctx, all, (*redis.Script).EvalSha); err != nil {
		return err
	}
	var unknown []*scripted
	for _, one := range all {
		if redis.HasErrorPrefix(one.reply.Err(), "NOSCRIPT") {
			unknown = append(unknown, one)
		}
	}
	return s.send(ctx, unknown, (*redis.Script).Eval)
}

// runMany runs scripts that do not depend on each other, each call within the timeout, and
// returns the error of the first call that fails. Those after it have no reply then.
func (s *Store) runMany(ctx context.Context, doing string, all []*scripted) error {
	for size := scriptsPerCall; len(all) > 0; {
		some := all[:min(size, len(all))]
		all = all[len(some):]
		began := time.Now()
		if err := s.call(ctx, doing, func(ctx context.Context) error { return s.runAll(ctx, some) }); err != nil {
			return err
		}
		if size = scriptsPerCall; time.Since(began) < s.timeout/quickShare {
			size = min(2*len(some), callsPerRoundTrip)
		}
	}
	return nil
}

type evaluate func(script *redis.Script, ctx context.Context, c redis.Scripter, keys []string, args ...any) *redis.Cmd

func (s *Store) send(ctx context.Context, all []*scripted, run evaluate) error {
	if len(all) == 0 {
		return nil
	}
	pipe := s.client.Pipeline()
	for _, one := range all {
		one.reply = run(one.script, ctx, pipe, one.keys, one.args...)
	}
	_, err := pipe.Exec(ctx)
	if err != nil && !answered(err) {
		return err
	}
	// In a Cluster one node may have refused and another may be unavailable. A refused
	// login is in no reply.
	refused := false
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
