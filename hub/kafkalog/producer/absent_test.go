package producer_test

import (
	"errors"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"sluice/hub/kafkalog/producer"
	"sluice/hub/upstream"
)

// TestPublishersAreToldOfAMissingTopic: publishes fail with the reason once it is
// certain.
func TestPublishersAreToldOfAMissingTopic(t *testing.T) {
	t.Parallel()
	k := newFakeKafka(t, kfake.SeedTopics(1, "t"))
	p := newProducer(t, k.ListenAddrs(), func(c *producer.Config) { c.FailAfter = 200 * time.Millisecond })
	began := time.Now()
	for n := 0; ; n++ {
		err := produce(t, p, "not.there", upstream.Message{Value: []byte("x")})[0].Err
		if !errors.Is(err, upstream.ErrPublishUnavailable) {
			t.Fatalf("got %v", err)
		}
		if certain := errors.Is(err, upstream.ErrUnknownTopic); certain && n == 0 {
			t.Fatal("the first answer of a broker was believed")
		} else if certain {
			return
		}
		if time.Since(began) > time.Minute {
			t.Fatalf("still %v", err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}
