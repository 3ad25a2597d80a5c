package kafkalog

import (
	"context"
	"errors"
	"fmt"
	"time"

	"sluice/hub/record"
	"sluice/hub/upstream"
)

// noteAbsence is Absence.Note for a topic of the cluster.
func (s *Source) noteAbsence(name string, missing bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, ok := s.absent[name]
	certain := a.Note(missing, time.Now())
	if missing {
		s.absent[name] = a
	} else if ok {
		delete(s.absent, name)
	}
	return certain
}

// Topic implements upstream.Source. It returns ErrUnknownTopic only once it is
// certain that the topic does not exist, which takes some seconds the first time.
func (s *Source) Topic(ctx context.Context, name string) (record.Topic, error) {
	for pace := newBackoff(); ; {
		l, err := s.cluster.layout(ctx, name)
		missing := errors.Is(err, upstream.ErrUnknownTopic)
		if err != nil && !missing {
			return record.Topic{}, fmt.Errorf("describe topic: %w", err)
		}
		if certain := s.noteAbsence(name, missing); !missing {
			return l.topic(), nil
		} else if certain {
			return record.Topic{}, fmt.Errorf("describe topic: %w", err)
		}
		if !sleep(ctx, pace.NextBackOff()) {
			return record.Topic{}, fmt.Errorf("describe topic: %w", unavailable(
				fmt.Errorf("brokers report that the topic %q does not exist, which is not confirmed yet: %w", name, ctx.Err())))
		}
	}
}

// Missing asks once which of the topics do not exist. The result has an entry for
// each of these, which is true if that is certain.
func (s *Source) Missing(ctx context.Context, names []string) (map[string]bool, error) {
	found, err := s.cluster.metadata(ctx, names)
	if err != nil {
		return nil, fmt.Errorf("look up topics: %w", unavailable(err))
	}
	missing := make(map[string]bool)
	for _, l := range found {
		if certain := s.noteAbsence(l.name, l.missing); l.missing {
			missing[l.name] = certain
		}
	}
	return missing, nil
}
