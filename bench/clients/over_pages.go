package clients

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
	"unsafe"

	"github.com/tidwall/gjson"

	"sluice/bench/check"
)

// pageWait is how long the server may hold a request while there are no records.
const pageWait = 2 * time.Second

// runPages requests page after page. Without errors these are one connection in the
// journal, within which no record may come twice.
func (s *Subscriber) runPages(ctx context.Context, l lane) error {
	var raw net.Conn
	transport := &http.Transport{DialContext: func(ctx context.Context, _, addr string) (_ net.Conn, err error) {
		raw, err = dial(ctx, addr, l.wire)
		return raw, err
	}}
	defer transport.CloseIdleConnections()
	err := s.readPages(ctx, &http.Client{Transport: transport}, l)
	return orCut(raw, err)
}

func (s *Subscriber) readPages(ctx context.Context, web *http.Client, l lane) error {
	var conn *check.Connection
	for !s.complete() {
		place, low, high := s.Place()
		page, err := s.page(ctx, web, l, place)
		if err != nil {
			return err
		}
		if conn == nil || s.named() {
			conn = s.begin(l, s.answered(low), high)
			s.opened = true
		}
		if err := s.takePage(ctx, conn, page); err != nil {
			return err
		}
		if s.By == ByName {
			if err := s.put(ctx, web, l); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *Subscriber) page(ctx context.Context, web *http.Client, l lane, place string) ([]byte, error) {
	query := s.query()
	query.Set("limit", "1000")
	query.Set("wait", pageWait.String())
	if place != "" {
		query.Set("from", place)
	}
	if s.named() {
		query.Set("cursor_name", s.Name)
	}
	return s.ask(ctx, web, l, http.MethodGet, fmt.Sprintf("/v1/streams/%s/records?%s", s.Stream, query.Encode()), nil)
}

func (s *Subscriber) takePage(ctx context.Context, conn *check.Connection, page []byte) error {
	all := gjson.Parse(unsafe.String(unsafe.SliceData(page), len(page)))
	cursor := all.Get("cursor").Str
	if cursor == "" {
		return fmt.Errorf("%w: a page without a cursor: %q", errProtocol, page)
	}
	for _, gap := range all.Get("gaps").Array() {
		if m, ok := Parse([]byte(gap.Raw)); ok {
			s.gap(conn, &m)
		}
	}
	var failed error
	all.Get("records").ForEach(func(_, record gjson.Result) bool {
		m, ok := Parse(unsafe.Slice(unsafe.StringData(record.Raw), len(record.Raw)))
		if !ok {
			failed = fmt.Errorf("%w: a record %q", errProtocol, record.Raw)
			return false
		}
		s.show(ctx, &m)
		failed = s.receive(conn, &m)
		return failed == nil
	})
	if failed == nil {
		s.save(cursor)
	}
	return failed
}

// put moves the named cursor to that of the last page.
func (s *Subscriber) put(ctx context.Context, web *http.Client, l lane) error {
	body, err := json.Marshal(map[string]string{"cursor": s.cursor})
	if err != nil {
		return err
	}
	s.sending()
	answer, err := s.ask(ctx, web, l, http.MethodPut, fmt.Sprintf("/v1/cursors/%s/%s", s.Stream, s.Name), body)
	if err != nil {
		return err
	}
	stored := gjson.GetBytes(answer, "cursor").Str
	if back := behind(s.cursor, stored); back != "" {
		s.remark(fmt.Sprintf("%s: the answer to a PUT is behind what was sent: %s", time.Now().Format(time.TimeOnly), back))
	}
	s.confirmed(s.cursor)
	s.stored = strings.Clone(stored)
	return nil
}

func (s *Subscriber) ask(ctx context.Context, web *http.Client, l lane, method, path string, body []byte) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, method, "http://"+l.at+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "Bearer "+l.token)
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := web.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		return nil, &StatusError{response.StatusCode, string(answer)}
	}
	return answer, nil
}
