package kafkalog

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// turnOf is how long one broker has to answer before the next one is asked as
// well. A slow broker may still be the first to answer.
const turnOf = 300 * time.Millisecond

// inTurn tries one broker after the other: the next one when a try has failed,
// and in parallel when none has ended within turnOf. It returns the first result,
// or the first refusal, which tells the caller more than that another broker
// cannot be reached. So a broker that never answers costs turnOf and not the
// deadline. inTurn cancels the remaining tries and waits for them; results that
// they still return are passed to drop.
func inTurn[T any](ctx context.Context, tries int, try func(ctx context.Context, n int) (T, error), drop func(T)) (T, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type result struct {
		value T
		err   error
	}
	results := make(chan result)
	started, running := 0, 0
	start := func() {
		n := started
		started++
		running++
		go func() {
			value, err := try(ctx, n)
			results <- result{value, err}
		}()
	}
	turn := time.NewTimer(turnOf)
	defer turn.Stop()
	var (
		won  result
		done bool
	)
	start()
	for running > 0 {
		select {
		case r := <-results:
			running--
			switch {
			case done:
				if r.err == nil && drop != nil {
					drop(r.value)
				}
			case r.err == nil || refusal(r.err):
				won, done = r, true
				cancel()
			default:
				if won.err == nil || isContext(won.err) {
					won.err = r.err
				}
				if started < tries && ctx.Err() == nil {
					start()
					turn.Reset(turnOf)
				}
			}
		case <-turn.C:
			if !done && started < tries && ctx.Err() == nil {
				start()
				turn.Reset(turnOf)
			}
		}
	}
	if isContext(won.err) {
		won.err = fmt.Errorf("no broker answers: %w", won.err)
	}
	return won.value, won.err
}

func isContext(err error) bool {
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
}
