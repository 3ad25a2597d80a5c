package registry

import (
	"context"
	"errors"
	"fmt"
	"time"

	"sluice/hub/backoff"
)

const (
	// longestAsk is the longest wait between two requests for schemas by id while the
	// registry is away.
	longestAsk = 5 * time.Second
	// noteAgain is the minimum time between two log lines about schemas that cannot be used.
	noteAgain = time.Minute
)

// answer asks for schemas by id, one after the other, until the context ends.
func (r *Registry) answer(ctx context.Context) {
	retry := firstRetry
	for ctx.Err() == nil {
		w := r.ids.next()
		if w == nil {
			select {
			case <-r.ids.asked:
			case <-ctx.Done():
			}
			continue
		}
		err := r.resolve(ctx, w)
		if !isLasting(err) {
			r.note(w, err)
			r.ids.last()
			timer := time.NewTimer(backoff.Jitter(retry))
			select {
			case <-timer.C:
			case <-ctx.Done():
			}
			timer.Stop()
			retry = min(2*retry, longestAsk)
			continue
		}
		if retry = firstRetry; err != nil {
			w.err, w.until = err, time.Now().Add(r.settings.Load().Refresh)
			r.note(w, err)
		}
		r.ids.settle(w)
	}
}

// resolve asks for a schema, with all that it refers to.
func (r *Registry) resolve(ctx context.Context, w *written) error {
	client := r.settings.Load().client
	got, err := client.byID(ctx, w.id)
	if err != nil {
		return err
	}
	of, err := languageOf(got.Type)
	if err != nil {
		return err
	}
	w.kind = of.kind
	if of.decoder == nil {
		return nil
	}
	others, err := client.gather(ctx, got)
	if err != nil {
		return err
	}
	w.bytes = len(got.Schema)
	for _, other := range others {
		w.bytes += len(other.text)
	}
	if w.decoder, err = of.decoder(got.Schema, others); err != nil {
		return fmt.Errorf("it cannot be used: %w", err)
	}
	return nil
}

// note logs that a schema cannot be had, unless that was done lately.
func (r *Registry) note(w *written, err error) {
	if now := time.Now(); now.Sub(r.noted) >= noteAgain {
		r.noted = now
		r.settings.Load().Logger.Warn("the schema of values cannot be had from the registry", "id", w.id, "cause", err)
	}
}

// isLasting reports whether asking again would have the same result for a while.
func isLasting(err error) bool {
	var failed *requestError
	return !errors.As(err, &failed) || failed.outcome != Away && failed.outcome != Refused
}
