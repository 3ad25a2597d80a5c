package transport_test

import (
	"testing"
	"time"

	"sluice/transport"
)

// TestMemoryIsAccountedFor: everything that takes much memory has a metric as soon
// as it takes any.
func TestMemoryIsAccountedFor(t *testing.T) {
	t.Parallel()
	in := start(t, options{config: func(c *transport.Config) {
		c.PublishBytes = func() int64 { return 4711 }
	}})
	in.sampleBecomes("sluice_publish_bytes", 4711)
	in.sampleBecomes("sluice_tokens", 0)
	for _, subject := range []string{"u42", "u43", "u42"} {
		in.reads("/v1/streams/orders/events", token(t, subject, "live", time.Hour)).until("sluice.ready")
	}
	// Tokens of the same second and subject are the same.
	if got := in.sample("sluice_tokens"); got < 2 || got > 3 {
		t.Errorf("%v tokens are remembered", got)
	}
}
