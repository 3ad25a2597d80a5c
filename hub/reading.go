package hub

import (
	"context"
	"errors"
	"fmt"
	"time"

	"sluice/hub/backoff"
	"sluice/hub/record"
	"sluice/hub/upstream"
)

// steady is how long a stream must have been followed for a failure to count as the
// first one.
const steady = 10 * time.Second

// run reads the stream until the context ends.
func (r *reading) run(ctx context.Context) {
	st := r.stream
	at, ok := r.describe(ctx, upstream.Tip())
	if !ok {
		return
	}
	r.log = newLog(&Lane{Tenant: st.tenant, Stream: st.Name}, at, st.hub.config.Wake, st.hub.now)
	r.log.cache = newBlockCache(st, r.log)
	r.log.turns, r.log.filterLag = st.hub.turns, func() time.Duration { return st.hub.limits().FilterLag }
	close(r.ready)
	defer st.hub.blocks.reset(r.log.cache, record.TopicID{})
	st.hub.spawn(func() { st.backfill(ctx, r.log) })
	for k := range r.log.evaluations {
		st.hub.spawn(func() { r.log.evaluations[k].run(ctx) })
	}
	st.hub.spawn(func() { r.log.evaluations[ofPredicates].runApart(ctx) })
	retry := backoff.New()
	for {
		began := st.hub.now()
		err := st.Source.Follow(ctx, st.topicNow(), r.log.at.Offsets, r)
		if ctx.Err() != nil {
			return
		}
		if st.hub.now().Sub(began) > steady {
			retry.Reset()
		}
		if !errors.Is(err, upstream.ErrLogChanged) {
			if r.failures.isNew(err, st.hub.now()) {
				st.logger.ErrorContext(ctx, "stream read failed; retrying", "topic", st.Topic, "error", err)
			}
			if !retry.Wait(ctx) {
				return
			}
			continue
		}
		r.log.setLive(false)
		if at, ok = r.describe(ctx, upstream.Earliest()); !ok {
			return
		}
		if at.Topic != r.log.at.Topic {
			st.logger.WarnContext(ctx, "topic was recreated; reporting log_changed to subscribers", "topic", st.Topic)
			r.log.restart(at)
			st.hub.blocks.reset(r.log.cache, at.Topic)
		} else if !retry.Wait(ctx) {
			return
		}
		r.log.setLive(true)
	}
}

// describe asks Kafka for the topic and its offsets at a point, until it succeeds or
// the context ends.
func (r *reading) describe(ctx context.Context, m upstream.OffsetSpec) (record.Position, bool) {
	st := r.stream
	retry := backoff.New()
	for {
		topic, err := st.Source.Topic(ctx, st.Topic)
		if err == nil {
			var places []record.PartitionOffset
			if places, err = st.Source.Offsets(ctx, topic, m); err == nil {
				st.topic.Store(&topic)
				st.missing.Store(false)
				record.SortOffsets(places)
				return record.Position{Topic: topic.ID, Offsets: places}, true
			}
		}
		if ctx.Err() != nil {
			return record.Position{}, false
		}
		r.cause.Store(&err)
		r.noteTopic(err)
		if r.failures.isNew(err, st.hub.now()) {
			st.logger.WarnContext(ctx, "topic lookup failed; retrying", "topic", st.Topic, "error", err)
		}
		if !retry.Wait(ctx) {
			return record.Position{}, false
		}
	}
}

// noteTopic releases the callers that wait for a topic that does not exist.
func (r *reading) noteTopic(err error) {
	if !errors.Is(err, upstream.ErrUnknownTopic) {
		return
	}
	r.stream.missing.Store(true)
	select {
	case <-r.missing:
	default:
		close(r.missing)
	}
}

// Append implements upstream.Sink.
func (r *reading) Append(batch []*upstream.Fetched) {
	st := r.stream
	r.builder.reset()
	for _, f := range batch {
		if f.Gap != nil {
			st.logger.Warn("records cannot be delivered; reporting a gap to subscribers",
				"partition", f.Gap.Partition, "from", f.Gap.From, "to", f.Gap.To, "reason", string(f.Gap.Reason))
			if f.Gap.Reason == record.GapTruncated {
				r.flush()
				to := f.BehindGap()
				st.hub.blocks.cut(r.log.cache, to)
				r.log.cut(to)
				cut := *f
				cut.Gap = nil
				f = &cut
			}
		}
		st.encoder.fetched(&r.builder, f, r.log.at.Offset(f.Partition, 0))
	}
	r.flush()
	// Do not keep the memory of a burst.
	if cap(r.builder.bodies) > 4*maxChunkBytes {
		r.builder = chunkBuilder{}
	}
	// Nothing is fetched while the workers deliver. Records that were fetched
	// meanwhile would wait here without those that came after them, which would then
	// need a write of their own to each client.
	r.pace()
}

// pace waits until the workers have delivered what they were woken for.
func (r *reading) pace() {
	if pace := r.stream.hub.config.Pace; pace != nil {
		pace(r.log.lane)
	}
}

func (r *reading) flush() {
	st := r.stream
	for i := range r.builder.entries {
		switch r.builder.entries[i].kind {
		case entryRecord:
			st.records.Add(1)
		case entryGap:
			st.gaps.Add(1)
		case entryAdvance:
		}
	}
	st.bytes.Add(uint64(len(r.builder.bodies)))
	r.log.append(&r.builder)
	r.builder.reset()
	if r.log.last != r.newest {
		r.newest = r.log.last
		r.log.shrink(st.LogBytes)
		st.hub.balance()
	}
}

// Live implements upstream.Sink.
func (r *reading) Live(live bool, cause error) {
	st := r.stream
	if live {
		st.logger.Info("stream available again")
	} else {
		st.logger.Warn("stream unavailable; retrying", "error", cause)
	}
	r.log.setLive(live)
	r.pace() // so that records come after the status that they are read in
}

// acquire returns the stream's log, and keeps it alive until release. It waits for
// Kafka until the context ends.
func (st *stream) acquire(ctx context.Context) (*log, error) {
	st.mu.Lock()
	st.users++
	if st.linger != nil {
		st.linger.Stop()
		st.linger = nil
	}
	r := st.reading
	if r == nil {
		base, cancel := context.WithCancel(st.hub.running())
		r = &reading{stream: st, cancel: cancel, ready: make(chan struct{}), missing: make(chan struct{})}
		if !st.hub.spawn(func() { r.run(base) }) {
			cancel()
			st.users--
			st.mu.Unlock()
			return nil, ErrClosed
		}
		st.reading = r
	}
	st.mu.Unlock()
	select {
	case <-r.ready:
		return r.log, nil
	case <-r.missing:
	case <-ctx.Done():
	}
	select {
	case <-r.ready: // the topic was created in the meantime
		return r.log, nil
	default:
		st.release()
		if cause := r.cause.Load(); cause != nil {
			return nil, fmt.Errorf("start stream %s: %w", st.Name, *cause)
		}
		return nil, fmt.Errorf("start stream %s: %w", st.Name, upstream.ErrSourceUnavailable)
	}
}

// release must be called once for each successful acquire.
func (st *stream) release() {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.users--
	if st.users > 0 {
		return
	}
	st.used.Store(st.hub.now().UnixNano())
	linger := st.Linger
	if st.isRetired() || st.template != nil && st.missing.Load() {
		linger = 0 // there is nothing to go on with
	}
	var timer *time.Timer
	timer = time.AfterFunc(linger, func() {
		st.mu.Lock()
		defer st.mu.Unlock()
		// It may have been too late to stop the timer.
		if st.linger == timer {
			st.reading.cancel()
			st.reading, st.linger = nil, nil
		}
	})
	st.linger = timer
}
