package audit

import (
	"context"
	"errors"
	"fmt"
	"time"

	"sluice/hub/upstream"
)

// answerGrace is how long the answer of a publish may take after its time is up.
const answerGrace = time.Second

// errNoAnswer: a publish was not answered.
var errNoAnswer = errors.New("the publish was not answered")

// Store stores messages in streams; see upstream.Producer. hub.Hub implements it.
type Store interface {
	Publish(ctx context.Context, tenant, stream string, messages []upstream.Message, done func([]upstream.Stored)) error
}

// stored is a stream as a place. An event whose fate is unknown is published again,
// with the same id.
type stored struct {
	stream  string
	source  string
	store   Store
	timeout time.Duration
}

func (s stored) keep(ctx context.Context, events []*entry) (again []*entry, refused int, err error) {
	messages := make([]upstream.Message, len(events))
	for i, e := range events {
		messages[i] = message(e, s.source)
	}
	for i, result := range s.publish(ctx, messages) {
		switch {
		case result.Err == nil:
		case errors.Is(result.Err, upstream.ErrRecordTooLarge), errors.Is(result.Err, upstream.ErrPublishRejected):
			refused, err = refused+1, result.Err
		default:
			again, err = append(again, events[i]), result.Err
		}
	}
	return again, refused, err
}

// publish returns one result per message.
func (s stored) publish(ctx context.Context, messages []upstream.Message) []upstream.Stored {
	attempt, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	answered := make(chan []upstream.Stored, 1)
	n := len(messages)
	if err := s.store.Publish(attempt, "", s.stream, messages, func(results []upstream.Stored) { answered <- results }); err != nil {
		return failed(n, fmt.Errorf("publish to %s: %w", s.stream, err))
	}
	select {
	case results := <-answered:
		return results
	case <-attempt.Done():
	}
	select {
	case results := <-answered:
		return results
	case <-time.After(answerGrace):
		return failed(n, errNoAnswer)
	}
}

func failed(n int, err error) []upstream.Stored {
	results := make([]upstream.Stored, n)
	for i := range results {
		results[i].Err = err
	}
	return results
}
