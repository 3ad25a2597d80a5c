package hub

import (
	"context"
	"errors"
	"time"

	"sluice/hub/backoff"
	"sluice/hub/record"
	"sluice/hub/upstream"
)

// watchTips looks where a stream's topic ends until the context ends, also while the
// stream is not read: clients may return to an instance that has not read it yet. Before
// each look it calls over, unless that is nil, and returns if that reports true.
func (st *stream) watchTips(ctx context.Context, over func(window time.Duration) bool) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-st.retired:
			return
		case <-timer.C:
		}
		window := st.hub.limits().ResumeWindow
		if over != nil && over(window) {
			return
		}
		if window > 0 {
			st.lookAtTip(ctx)
		}
		timer.Reset(backoff.Jitter(lookEvery(window)))
	}
}

// lookAtTip records where the topic ends now. If Kafka is unavailable, there is one
// observation less.
func (st *stream) lookAtTip(ctx context.Context) {
	asking, cancel := context.WithTimeout(ctx, st.hub.limits().StartTimeout)
	defer cancel()
	now := st.hub.now() // before Kafka is asked: what arrives in the meantime is after it
	topic, err := st.Source.Topic(asking, st.Topic)
	if err != nil {
		if errors.Is(err, upstream.ErrUnknownTopic) {
			st.missing.Store(true)
		}
		return
	}
	places, err := st.Source.Offsets(asking, topic, upstream.Tip())
	if err != nil {
		return
	}
	record.SortOffsets(places)
	st.tips.note(topic.ID, now, places, st.hub.limits().ResumeWindow)
}
