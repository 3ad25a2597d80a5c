package clients

import (
	"context"
	"fmt"
	"net/url"

	"sluice/bench/check"
)

// query returns the query parameters for what the subscriber reads.
func (s *Subscriber) query() url.Values {
	query := url.Values{"from": {"earliest"}}
	if keys := s.filter(); len(keys) > 0 {
		query["key"] = keys
	}
	return query
}

func (s *Subscriber) filter() []string {
	if len(s.Keys) == 0 {
		return nil
	}
	return append([]string{EndKey}, s.Keys...)
}

func (s *Subscriber) runSSE(ctx context.Context, l lane) error {
	lastID, low, high := s.Place()
	stream, err := OpenEvents(ctx, EventsRequest{
		Addr: l.at, Stream: s.Stream, Query: s.query(), Token: l.token, LastID: lastID, Wire: l.wire,
	})
	if err != nil {
		return err
	}
	defer stream.Close()
	conn := s.begin(l, s.answered(low), high)
	left := false
	for !s.complete() {
		event, err := stream.Next()
		if err != nil && left {
			return errLeft
		}
		if err != nil {
			return err
		}
		m, ok := Parse(event.Data)
		if ok {
			s.show(ctx, &m)
		}
		switch {
		case event.Name == "sluice.ready":
			s.opened = true
		case event.Name == "sluice.cursor":
		case !ok:
			return fmt.Errorf("%w: an event with the data %q", errProtocol, event.Data)
		case event.Name == "":
			if err := s.receive(conn, &m); err != nil {
				return err
			}
		case event.Name == "sluice.gap":
			s.gap(conn, &m)
		case event.Name == "sluice.close":
			left = s.told(&m, event.Data) || left
		}
		if event.NewID {
			s.save(event.ID)
		}
	}
	return nil
}

// runLines reads NDJSON, whose lines are the messages of a WebSocket.
func (s *Subscriber) runLines(ctx context.Context, l lane) error {
	query := s.query()
	place, low, high := s.Place()
	if place != "" {
		query.Set("from", place)
	}
	stream, err := OpenEvents(ctx, EventsRequest{
		Addr: l.at, Stream: s.Stream, Query: query, Token: l.token, Lines: true, Wire: l.wire,
	})
	if err != nil {
		return err
	}
	defer stream.Close()
	var conn *check.Connection
	left := false
	for !s.complete() {
		line, err := stream.NextLine()
		if err != nil && left {
			return errLeft
		}
		if err != nil {
			return err
		}
		m, ok := Parse(line)
		if !ok {
			return fmt.Errorf("%w: a line %q", errProtocol, line)
		}
		s.show(ctx, &m)
		if conn == nil && m.Kind != "ready" && m.Kind != "closing" {
			return fmt.Errorf("%w: %s before ready", errProtocol, m.Kind)
		}
		switch m.Kind {
		case "ready":
			s.opened = true
			conn = s.begin(l, s.answered(low), high)
		case "event":
			if err := s.receive(conn, &m); err != nil {
				return err
			}
		case "gap":
			s.gap(conn, &m)
		case "closing":
			left = s.told(&m, line) || left
			continue // its cursor is that of the message before
		}
		if m.Cursor != "" {
			s.save(m.Cursor)
		}
	}
	return nil
}
