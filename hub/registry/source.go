package registry

import (
	"context"
	"slices"
	"time"

	"sluice/hub/record"
	"sluice/hub/upstream"
)

// Source is a source of topics whose values are stored after the ids of schemas. What was
// read is passed on when their schemas are known, or have been waited for.
type Source struct {
	upstream.Source
	registry *Registry
}

// Source returns the source that waits for schemas. It is the same for the same source.
func (r *Registry) Source(of upstream.Source) *Source {
	made, _ := r.sources.LoadOrStore(of, &Source{of, r})
	return made.(*Source)
}

// Read implements upstream.Source.
func (s *Source) Read(ctx context.Context, topic record.Topic, from []record.PartitionOffset, maxBytes int, visit func(*upstream.Fetched)) error {
	return s.Source.Read(ctx, topic, from, maxBytes, func(f *upstream.Fetched) {
		s.registry.prepare(ctx, f)
		visit(f)
	})
}

// Follow implements upstream.Source. While it waits, other topics are read.
func (s *Source) Follow(ctx context.Context, topic record.Topic, from []record.PartitionOffset, sink upstream.Sink) error {
	return s.Source.Follow(ctx, topic, from, prepared{sink, func(f *upstream.Fetched) { s.registry.prepare(ctx, f) }})
}

// Forget implements upstream.Forgetter.
func (s *Source) Forget(topic string) {
	if of, ok := s.Source.(upstream.Forgetter); ok {
		of.Forget(topic)
	}
}

// prepared is a sink that is passed what was prepared.
type prepared struct {
	upstream.Sink
	prepare func(*upstream.Fetched)
}

// Append implements upstream.Sink.
func (p prepared) Append(batch []*upstream.Fetched) {
	for _, f := range batch {
		p.prepare(f)
	}
	p.Sink.Append(batch)
}

// prepare asks for the schemas of what was read that are not known, and waits for them: for
// each until Config.Wait after a value with it was first met.
func (r *Registry) prepare(ctx context.Context, f *upstream.Fetched) {
	for _, w := range r.unknown(f) {
		timer := time.NewTimer(r.settings.Load().Wait - time.Since(w.since))
		select {
		case <-w.done:
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
	}
}

// unknown returns the schemas of what was read that are awaited.
func (r *Registry) unknown(f *upstream.Fetched) (awaited []*written) {
	if f.Each == nil {
		return nil
	}
	now, last, has := time.Now(), uint32(0), false
	f.Each(func(one *record.Record) bool {
		id, _, err := Unframe(one.Value)
		if err != nil || has && id == last {
			return true
		}
		last, has = id, true
		if w := r.ids.meet(id, now); w != nil && !w.settled() && !slices.Contains(awaited, w) {
			awaited = append(awaited, w)
		}
		return true
	})
	return awaited
}
