package transport

import (
	"testing"
	"time"

	"sluice/hub/upstream"
)

// TestPaceOfPublishes: the hint when to publish again follows how long publishes take, and
// how long none has been answered.
func TestPaceOfPublishes(t *testing.T) {
	t.Parallel()
	const start = monotime(time.Hour)
	stored := []upstream.Stored{{}, {Err: upstream.ErrPublishUnavailable}}
	refused := []upstream.Stored{{Err: upstream.ErrPublishOverloaded}}
	after := func(d time.Duration) monotime { return start.Add(d) }
	tests := map[string]struct {
		history func(*pace)
		at      time.Duration
		want    time.Duration
	}{
		"the first is in flight": {func(p *pace) { p.awaits(start) }, time.Millisecond, leastRetry},
		"fast": {func(p *pace) {
			for n := range 50 {
				p.answered(stored, 20*time.Millisecond, after(time.Duration(n)*time.Millisecond))
			}
		}, 49 * time.Millisecond, 20 * time.Millisecond},
		"slow": {func(p *pace) {
			for range 50 {
				p.answered(stored, 5*time.Second, start)
			}
		}, 0, mostRetry},
		"none is answered": {func(p *pace) { p.answered(stored, time.Millisecond, start) }, 300 * time.Millisecond, 300 * time.Millisecond},
		"for long":         {func(p *pace) { p.answered(stored, time.Millisecond, start) }, time.Minute, mostRetry},
		"after quiet":      {func(p *pace) { p.answered(stored, time.Millisecond, start); p.awaits(after(time.Minute)) }, time.Minute, leastRetry},
		"refusals are no answers": {func(p *pace) {
			p.awaits(start)
			p.answered(refused, 0, after(400*time.Millisecond))
		}, 400 * time.Millisecond, 400 * time.Millisecond},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := &pace{}
			tt.history(p)
			got := p.retryAfter(after(tt.at))
			if diff := got - tt.want; diff < -time.Millisecond || diff > time.Millisecond {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}
