package kafkalog_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"sluice/hub/kafkalog"
	"sluice/hub/upstream"
)

// TestAMissingTopicIsBelievedAfterAWhile: brokers learn of a topic that was just
// made one after the other, so the first answer counts for nothing.
func TestAMissingTopicIsBelievedAfterAWhile(t *testing.T) {
	t.Parallel()
	f := start(t, kfake.SeedTopics(1, "a"))
	hasty, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := f.source.Topic(hasty, "late"); !errors.Is(err, upstream.ErrSourceUnavailable) || errors.Is(err, upstream.ErrUnknownTopic) {
		t.Errorf("at first: %v", err)
	}
	if missing, err := f.source.Missing(t.Context(), []string{"a", "late"}); err != nil || len(missing) != 1 || missing["late"] {
		t.Errorf("at first: %v, %v; want late, uncertain", missing, err)
	}
	if _, err := f.source.Topic(t.Context(), "late"); !errors.Is(err, upstream.ErrUnknownTopic) {
		t.Errorf("at last: %v", err)
	}
	if missing, err := f.source.Missing(t.Context(), []string{"a", "late"}); err != nil || len(missing) != 1 || !missing["late"] {
		t.Errorf("at last: %v, %v; want late, certain", missing, err)
	}
	createTopic(t, f.writer(), "late", 2)
	if topic, err := f.source.Topic(t.Context(), "late"); err != nil || topic.Partitions != 2 {
		t.Errorf("once it is made: %+v, %v", topic, err)
	}
}

// TestPublishersAreToldOfAMissingTopic, once it is certain.
func TestPublishersAreToldOfAMissingTopic(t *testing.T) {
	t.Parallel()
	k := newProduceKafka(t, kfake.SeedTopics(1, "t"))
	p := newProducer(t, k.ListenAddrs(), func(c *kafkalog.ProducerConfig) { c.FailAfter = 200 * time.Millisecond })
	began := time.Now()
	for n := 0; ; n++ {
		err := produceWait(t, p, "not.there", upstream.Message{Value: []byte("x")})[0].Err
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
