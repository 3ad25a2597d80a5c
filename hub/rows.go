package hub

import (
	"context"
	"fmt"
	"time"

	"sluice/hub/filter"
	"sluice/hub/record"
)

// Rows are the records of a stream that a subscriber has a right to read.
type Rows struct {
	// Filter passes these records.
	Filter filter.Filter
	// Spans are set if how far back a record may be read depends on the record: the
	// filter of each passes what may be read as far back. The longest span comes first,
	// and is the Replay of the Request.
	Spans []Span
}

// Span is what may be read of a span of time before now.
type Span struct {
	Filter filter.Filter
	// Replay is how long the span is. Negative for no bound.
	Replay time.Duration
}

// Equal reports whether the rights are the same.
func (r *Rows) Equal(other *Rows) bool {
	if !r.Filter.Equal(&other.Filter) || len(r.Spans) != len(other.Spans) {
		return false
	}
	for i := range r.Spans {
		if span := &r.Spans[i]; span.Replay != other.Spans[i].Replay || !span.Filter.Equal(&other.Spans[i].Filter) {
			return false
		}
	}
	return true
}

// readable returns the filter of the records that a subscription may be delivered. With
// spans, it passes what one of them passes from the offsets on to which that span
// reaches back now. A subscription that begins at the tip reads only what is yet to
// come, for which the spans do not matter.
func (s *Subscription) readable(ctx context.Context, req Request) (filter.Filter, error) {
	if len(req.Rows.Spans) == 0 || req.Start.Kind == StartLatest {
		return req.Rows.Filter, nil
	}
	topic := s.stream.topicNow()
	written, resumes := s.written(topic.ID)
	var parts []filter.Filter
	for _, span := range req.Rows.Spans {
		part := span.Filter
		if span.Replay >= 0 {
			reach, err := s.stream.horizon(ctx, topic, span.Replay)
			if err != nil {
				return filter.Filter{}, fmt.Errorf("bound replay: %w", err)
			}
			from := make([]record.PartitionOffset, 0, len(reach.at.Offsets))
			for _, to := range reach.at.Offsets {
				if at := written.Offset(to.Partition, 0); resumes && at < to.Offset {
					to.Offset = at
				}
				from = append(from, to)
			}
			part = part.And(filter.Where(filter.Since(from)))
		}
		parts = append(parts, part)
	}
	return filter.Any(parts...), nil
}

// selection returns the filter of a subscription. The right comes first: what it refuses
// is not shown to the filter of the client.
func (s *Subscription) selection(ctx context.Context, req Request) (filter.Filter, error) {
	which, err := s.readable(ctx, req)
	if err != nil {
		return filter.Filter{}, err
	}
	if len(req.Keys) > 0 {
		which = which.And(filter.Keys(req.Keys...))
	}
	return which.And(req.Filter), nil
}
