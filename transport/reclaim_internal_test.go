package transport

import "testing"

func TestMemoryIsGivenBackOnceAfterAWave(t *testing.T) {
	t.Parallel()
	r := reclaimer{wave: 500}
	for i, step := range []struct {
		sessions int
		want     bool
	}{
		{0, false},
		{400, false},
		{900, false}, // still coming in
		{900, true},
		{900, false}, // once
		{1200, false},
		{1200, false}, // too few
		{1450, false},
		{1450, true},
		{100, false},
		{700, false},
		{700, true}, // another wave after the first has gone
	} {
		if got := r.look(step.sessions); got != step.want {
			t.Errorf("step %d: %t with %d sessions", i, got, step.sessions)
		}
	}
}
