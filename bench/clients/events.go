package clients

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Event is an event as an EventSource would dispatch it. Its data is valid until the
// next event is read.
type Event struct {
	Name  string
	Data  []byte
	ID    string // the last event id once it is dispatched
	NewID bool   // whether this event set it
}

// Events reads server-sent events by the rules of the HTML standard (section 9.2.6),
// from an HTTP/1.1 connection of its own.
type Events struct {
	conn   net.Conn
	stop   func() bool
	lines  *bufio.Reader
	lastID string
	// Retry is the reconnection time that the server requested.
	Retry time.Duration
	data  []byte
}

// StatusError is a response with a status other than 200.
type StatusError struct {
	Status int
	Body   string
}

func (e *StatusError) Error() string { return fmt.Sprintf("answered %d: %s", e.Status, e.Body) }

// EventsRequest configures a request for a stream of events.
type EventsRequest struct {
	Addr   string
	Stream string
	Query  url.Values
	Token  string
	LastID string
	Wire   Wire
	// Lines requests NDJSON.
	Lines bool
}

// OpenEvents requests a stream of events. It ends with the context, or Close.
func OpenEvents(ctx context.Context, r EventsRequest) (*Events, error) {
	conn, err := dial(ctx, r.Addr, r.Wire)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	accept := "text/event-stream"
	if r.Lines {
		accept = "application/x-ndjson"
	}
	stream, err := func() (*Events, error) {
		var request strings.Builder
		fmt.Fprintf(&request, "GET /v1/streams/%s/events?%s HTTP/1.1\r\nHost: %s\r\nAccept: %s\r\n", r.Stream, r.Query.Encode(), r.Addr, accept)
		if r.Token != "" {
			fmt.Fprintf(&request, "Authorization: Bearer %s\r\n", r.Token)
		}
		if r.LastID != "" {
			fmt.Fprintf(&request, "Last-Event-ID: %s\r\n", r.LastID)
		}
		request.WriteString("\r\n")
		if _, err := io.WriteString(conn, request.String()); err != nil {
			return nil, err
		}
		reader := bufio.NewReaderSize(conn, 32<<10)
		response, err := http.ReadResponse(reader, nil) //nolint:bodyclose // it lives as long as the stream, and ends with its connection
		if err != nil {
			return nil, err
		}
		if response.StatusCode != http.StatusOK {
			body, _ := io.ReadAll(io.LimitReader(response.Body, 4<<10))
			return nil, &StatusError{response.StatusCode, string(body)}
		}
		if kind := response.Header.Get("Content-Type"); kind != accept {
			return nil, fmt.Errorf("the content type is %q", kind)
		}
		return &Events{conn: conn, stop: stop, lines: bufio.NewReaderSize(response.Body, 128<<10), lastID: r.LastID}, nil
	}()
	if err != nil {
		stop()
		_ = conn.Close()
		return nil, orCut(conn, err)
	}
	return stream, nil
}

// Close ends the stream and its connection.
func (s *Events) Close() {
	s.stop()
	_ = s.conn.Close()
}

// NextLine reads up to the end of the next line, which is valid until the next line
// is read.
func (s *Events) NextLine() ([]byte, error) {
	line, err := s.lines.ReadSlice('\n')
	if err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	return bytes.TrimSuffix(line, []byte("\n")), nil
}

// Next reads up to the next event that is dispatched. An incomplete event at the end
// of the stream is not dispatched, and its id is ignored.
func (s *Events) Next() (Event, error) {
	event := Event{ID: s.lastID}
	s.data = s.data[:0]
	hasData := false
	for {
		line, err := s.lines.ReadSlice('\n')
		if err != nil {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return Event{}, err
		}
		line = bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r"))
		if len(line) == 0 {
			s.lastID = event.ID
			if !hasData {
				event = Event{ID: s.lastID}
				continue
			}
			event.Data = s.data[:len(s.data)-1]
			return event, nil
		}
		field, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimPrefix(value, []byte(" "))
		switch string(field) {
		case "data":
			hasData = true
			s.data = append(append(s.data, value...), '\n')
		case "event":
			event.Name = string(value)
		case "id":
			if bytes.IndexByte(value, 0) < 0 {
				event.ID, event.NewID = string(value), true
			}
		case "retry":
			if ms, err := strconv.Atoi(string(value)); err == nil {
				s.Retry = time.Duration(ms) * time.Millisecond
			}
		}
	}
}
