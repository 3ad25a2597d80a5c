package hub

import (
	"context"
	"fmt"

	"sluice/hub/filter"
	"sluice/hub/record"
)

// readable returns the filter of the records that a subscription may be delivered. With
// spans, it passes what one of them passes from the offsets on to which that span
// reaches back now. A subscription that begins at the tip reads only what is yet to
// come, for which the spans do not matter. What the filter of a right cannot decide about
// does not pass.
func (s *Subscription) readable(ctx context.Context, req Request) (filter.Filter, error) {
	if len(req.Rows.Spans) == 0 || req.Start.Kind == StartLatest {
		return s.stream.denying(req.Rows.Filter), nil
	}
	topic := s.stream.topicNow()
	written, resumes := s.written(topic.ID)
	var parts []filter.Filter
	for _, span := range req.Rows.Spans {
		part := s.stream.denying(span.Filter)
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
// is not shown to the filter of the client, nor is what it hides.
func (s *Subscription) selection(ctx context.Context, req Request) (filter.Filter, error) {
	which, err := s.readable(ctx, req)
	if err != nil {
		return filter.Filter{}, err
	}
	if len(req.Keys) > 0 {
		which = which.And(filter.Keys(req.Keys...))
	}
	return which.And(filter.Redacted(req.Filter, req.Rows.Redaction)), nil
}

// denying returns the filter of a right with which a record that it cannot decide about
// does not pass.
func (st *stream) denying(right filter.Filter) filter.Filter {
	return filter.Denying(right, func(err error) { st.undecided.note(err, st.hub.now(), st.logger) })
}
