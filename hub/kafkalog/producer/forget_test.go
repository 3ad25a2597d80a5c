package producer_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"sluice/hub/upstream"
)

// TestForgottenTopics: a topic that is forgotten leaves nothing, even if it does not
// exist, and is served again when there is a message for it; and no message is lost that
// meets the forgetting.
func TestForgottenTopics(t *testing.T) {
	t.Parallel()
	k := newFakeKafka(t, kfake.SeedTopics(1, "a"), kfake.SeedTopics(1, "b"))
	p := newProducer(t, k.ListenAddrs(), nil)
	stored := func(topic string) {
		t.Helper()
		if got := produce(t, p, topic, upstream.Message{Value: []byte("x")}); got[0].Err != nil {
			t.Fatalf("%s: %v", topic, got[0].Err)
		}
	}
	left := func(want int) {
		t.Helper()
		for end := time.Now().Add(20 * time.Second); p.Topics() != want; time.Sleep(5 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("%d topics are left, want %d", p.Topics(), want)
			}
		}
	}
	p.Forget("a") // nothing is known of it
	for range 2 {
		stored("a")
		stored("b")
		produce(t, p, "not.there", upstream.Message{Value: []byte("x")})
		left(3)
		p.Forget("a")
		p.Forget("not.there")
		left(1)
	}

	stop := make(chan struct{})
	var forgetting sync.WaitGroup
	forgetting.Go(func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(time.Millisecond):
				p.Forget("a")
			}
		}
	})
	var writers sync.WaitGroup
	for i := range 8 {
		writers.Go(func() {
			for n := range 100 {
				done := make(chan []upstream.Stored, 1)
				ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
				p.Produce(ctx, "a", []upstream.Message{{Value: fmt.Appendf(nil, "%d %d", i, n)}}, func(all []upstream.Stored) { done <- all })
				if got := <-done; got[0].Err != nil {
					t.Errorf("message %d: %v", n, got[0].Err)
				}
				cancel()
				time.Sleep(time.Duration(n%7) * 10 * time.Millisecond)
			}
		})
	}
	writers.Wait()
	close(stop)
	forgetting.Wait()
	p.Forget("a")
	left(1)
}
