package transport_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"

	"sluice/auth"
	"sluice/hub"
	"sluice/hub/hubtest"
	"sluice/hub/record"
	"sluice/hub/upstream"
	"sluice/transport"
)

// timeless is a Kafka that, once it is silent, is neither read nor asked for times.
type timeless struct {
	*hubtest.Topics
	silent atomic.Bool
}

func (k *timeless) Read(ctx context.Context, topic record.Topic, from []record.PartitionOffset, most int, visit func(*upstream.Fetched)) error {
	if k.silent.Load() {
		<-ctx.Done()
		return ctx.Err()
	}
	return k.Topics.Read(ctx, topic, from, most, visit)
}

func (k *timeless) Offsets(ctx context.Context, topic record.Topic, at upstream.OffsetSpec) ([]record.PartitionOffset, error) {
	if k.silent.Load() && at != upstream.Tip() && at != upstream.Earliest() && at != upstream.LogEnd() {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return k.Topics.Offsets(ctx, topic, at)
}

// TestRightsAskKafkaAtOnce: sessions whose replays become shorter wait for Kafka together, and
// others do not wait for them.
func TestRightsAskKafkaAtOnce(t *testing.T) {
	t.Parallel()
	kafka := &timeless{}
	var checks *auth.Authenticator
	in := start(t, options{
		stream: func(s *hub.Stream) {
			kafka.Topics, _ = s.Source.(*hubtest.Topics)
			s.Source, s.Backfill = kafka, 0
		},
		config: func(c *transport.Config) { checks = c.Auth },
	})
	for range 10 {
		in.topics.Append("orders", record.Record{Value: []byte(`1`)})
	}
	other := in.dial("?stream=orders", token(t, "brief", "brief", time.Hour))
	other.until("caught_up")
	kafka.silent.Store(true)
	const replaying = 12
	var all []*socket
	for n := range replaying {
		s := in.dial("", token(t, fmt.Sprint("u", n), "live", time.Hour))
		s.until("welcome")
		s.send(`{"type":"subscribe","id":"a","stream":"orders","from":"earliest"}`)
		s.until("subscribed")
		all = append(all, s)
	}
	if err := checks.SetGrants([]auth.Grant{{When: map[string]string{"scope": "live"}, Subscribe: []string{"orders"}, Replay: time.Hour}}); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	told := make(chan time.Duration, 1)
	go func() { in.server.RightsChanged(); told <- time.Since(began) }()
	other.until("unsubscribed")
	// Each question ends after a second.
	if took := <-told; took > replaying/2*time.Second {
		t.Errorf("it took %v until all sessions were told", took)
	}
	for _, s := range all {
		if _, code := s.closed(); code != websocket.StatusTryAgainLater {
			t.Errorf("a session ended with %d", code)
		}
	}
}
