package hub_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"sluice/hub"
	"sluice/hub/hubtest"
	"sluice/hub/upstream"
)

// TestAMissingTopicIsToldAtOnce: Subscribe does not wait the whole StartTimeout for
// a topic that does not exist, and succeeds once the topic was created.
func TestAMissingTopicIsToldAtOnce(t *testing.T) {
	t.Parallel()
	topics := hubtest.New()
	h := startHubWith(t, topics, nil, func(c *hub.Config) { c.StartTimeout = time.Hour })
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for range 2 {
		_, _, err := h.Subscribe(ctx, hub.Request{Stream: "orders", Owner: make(bell, 1), Start: hub.Start{Kind: hub.StartLatest}, Replay: -1})
		if !errors.Is(err, upstream.ErrUnknownTopic) || ctx.Err() != nil {
			t.Fatalf("got %v (%v)", err, ctx.Err())
		}
	}
	info, err := h.Describe(ctx, "", "orders")
	if !errors.Is(err, upstream.ErrUnknownTopic) || !info.Missing {
		t.Errorf("describe: got %+v, %v", info, err)
	}
	topics.Create("orders.v1", 2)
	if info, err = h.Describe(ctx, "", "orders"); err != nil || info.Missing || info.Partitions != 2 {
		t.Errorf("once it is there: got %+v, %v", info, err)
	}
	for {
		sub, _, err := h.Subscribe(ctx, hub.Request{Stream: "orders", Owner: make(bell, 1), Start: hub.Start{Kind: hub.StartLatest}, Replay: -1})
		if err == nil {
			sub.Close()
			break
		}
		if ctx.Err() != nil {
			t.Fatalf("once it is there: %v", err)
		}
	}

	// The stream was read before its topic is noted as missing.
	h.NoteMissing("orders", true)
	if info, _ := h.Stream("", "orders"); !info.Missing {
		t.Error("what was noted is not told")
	}
	if info, err := h.Describe(ctx, "", "orders"); err != nil || info.Missing {
		t.Errorf("it is there: got %+v, %v", info, err)
	}
}
