package kafkalog_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"sluice/hub/upstream"
)

// TestAMissingTopicIsBelievedAfterAWhile: brokers learn of a topic that was just
// created at different times, so the first answer is not believed.
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
