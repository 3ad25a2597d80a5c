package e2e_test

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

// sseEvent is an event as an EventSource would dispatch it. Its data is valid
// until the next one is read.
type sseEvent struct {
	name  string
	data  []byte
	id    string // the last event id once it is dispatched
	newID bool   // whether this event brought it
}

// sseStream reads server-sent events by the rules of the HTML standard (section
// 9.2.6), from a plain HTTP/1.1 connection of its own.
type sseStream struct {
	conn   net.Conn
	lines  *bufio.Reader
	lastID string
	retry  time.Duration
	data   []byte
}

// statusError is an answer other than 200.
type statusError struct {
	status int
	body   string
}

func (e *statusError) Error() string { return fmt.Sprintf("answered %d: %s", e.status, e.body) }

type sseRequest struct {
	addr     string
	stream   string
	query    url.Values
	token    string
	lastID   string
	cutAfter int64
}

// openSSE asks for a stream of events.
func openSSE(ctx context.Context, r sseRequest) (*sseStream, error) {
	conn, err := dial(ctx, r.addr, r.cutAfter)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	stream, err := func() (*sseStream, error) {
		var request strings.Builder
		fmt.Fprintf(&request, "GET /v1/streams/%s/events?%s HTTP/1.1\r\nHost: %s\r\nAccept: text/event-stream\r\n", r.stream, r.query.Encode(), r.addr)
		if r.token != "" {
			fmt.Fprintf(&request, "Authorization: Bearer %s\r\n", r.token)
		}
		if r.lastID != "" {
			fmt.Fprintf(&request, "Last-Event-ID: %s\r\n", r.lastID)
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
			return nil, &statusError{response.StatusCode, string(body)}
		}
		if kind := response.Header.Get("Content-Type"); kind != "text/event-stream" {
			return nil, fmt.Errorf("the content type is %q", kind)
		}
		return &sseStream{conn: conn, lines: bufio.NewReaderSize(response.Body, 128<<10), lastID: r.lastID}, nil
	}()
	if err != nil {
		stop()
		_ = conn.Close()
		return nil, orCut(conn, err)
	}
	return stream, nil
}

func (s *sseStream) close() { _ = s.conn.Close() }

// next reads up to the next event that is dispatched. An event that the stream
// ends in the middle of is not dispatched, and its id does not count.
func (s *sseStream) next() (sseEvent, error) {
	event := sseEvent{id: s.lastID}
	s.data = s.data[:0]
	hasData := false
	for {
		line, err := s.lines.ReadSlice('\n')
		if err != nil {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return sseEvent{}, err
		}
		line = bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r"))
		if len(line) == 0 {
			s.lastID = event.id
			if !hasData {
				event = sseEvent{id: s.lastID}
				continue
			}
			event.data = s.data[:len(s.data)-1]
			return event, nil
		}
		field, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimPrefix(value, []byte(" "))
		switch string(field) {
		case "data":
			hasData = true
			s.data = append(append(s.data, value...), '\n')
		case "event":
			event.name = string(value)
		case "id":
			if bytes.IndexByte(value, 0) < 0 {
				event.id, event.newID = string(value), true
			}
		case "retry":
			if ms, err := strconv.Atoi(string(value)); err == nil {
				s.retry = time.Duration(ms) * time.Millisecond
			}
		}
	}
}
