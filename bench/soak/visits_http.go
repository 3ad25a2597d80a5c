package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"time"
)

// request opens a connection, sends a request, and reads the response for a while.
// Some clients do not read for most of it. Half of them end with a reset.
func (c *crowd) request(ctx context.Context, r *rand.Rand, want string, method, path string, header ...string) error {
	conn, err := (&net.Dialer{Timeout: time.Minute}).DialContext(ctx, "tcp", c.stage.addr)
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	defer conn.Close()
	if tcp, ok := conn.(*net.TCPConn); ok && r.IntN(2) == 0 {
		_ = tcp.SetLinger(0)
	}
	text := fmt.Sprintf("%s %s HTTP/1.1\r\nHost: soak\r\n", method, path)
	for _, line := range header {
		text += line + "\r\n"
	}
	if _, err := io.WriteString(conn, text+"\r\n"); err != nil {
		return err
	}
	if r.IntN(20) == 0 {
		return nil // before the response
	}
	span := stay(r)
	if r.IntN(10) == 0 {
		sleep(ctx, span)
	}
	buf := make([]byte, 32<<10)
	// The response may take long; after it the client stays a while.
	_ = conn.SetReadDeadline(time.Now().Add(time.Minute))
	for first := true; ; first = false {
		n, err := conn.Read(buf)
		c.bytes.Add(int64(n))
		if first && err == nil {
			if bytes.HasPrefix(buf[:n], []byte("HTTP/1.1 503")) {
				return errBusy
			}
			if !bytes.HasPrefix(buf[:n], []byte("HTTP/1.1 "+want)) {
				return fmt.Errorf("%s %s is answered with %.200q", method, path, buf[:n])
			}
			_ = conn.SetReadDeadline(time.Now().Add(span))
		}
		if err != nil {
			return nil //nolint:nilerr // it has gone, or was to go
		}
	}
}

func bearer(who string) string { return "Authorization: Bearer " + token(who, time.Hour) }

// readEvents reads an event stream, of one stream or two, compressed or not.
func (c *crowd) readEvents(ctx context.Context, r *rand.Rand) error {
	query, path := reading(r), fmt.Sprintf("/v1/streams/%s/events?", stream(r.IntN(streams)))
	if r.IntN(4) == 0 {
		path = "/v1/events?"
		for _, n := range r.Perm(streams)[:2] {
			query.Add("stream", stream(n))
		}
	}
	header := []string{bearer(subject(r))}
	if r.IntN(3) > 0 {
		header = append(header, "Accept-Encoding: gzip")
	}
	if r.IntN(4) == 0 {
		header = append(header, "Accept: application/x-ndjson")
	}
	return c.request(ctx, r, "200", http.MethodGet, path+query.Encode(), header...)
}

// handshake are the headers of a WebSocket handshake.
var handshake = []string{
	"Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
}

// readSocket reads from a WebSocket and sends nothing, compressed or not.
func (c *crowd) readSocket(ctx context.Context, r *rand.Rand) error {
	query := reading(r)
	query.Set("stream", stream(r.IntN(streams)))
	header := append([]string{bearer(subject(r))}, handshake...)
	if r.IntN(3) > 0 {
		header = append(header, "Sec-WebSocket-Extensions: permessage-deflate"+[]string{"", "; server_no_context_takeover"}[r.IntN(2)])
	}
	return c.request(ctx, r, "101", http.MethodGet, "/v1/ws?"+query.Encode(), header...)
}

// do makes a request and reads the whole response.
func (c *crowd) do(ctx context.Context, who, method, path string, body any) (int, []byte, error) {
	var reader io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return 0, nil, err
		}
		reader = bytes.NewReader(text)
	}
	request, err := http.NewRequestWithContext(ctx, method, "http://"+c.stage.addr+path, reader)
	if err != nil {
		return 0, nil, err
	}
	request.Header.Set("Authorization", "Bearer "+token(who, time.Hour))
	request.Header.Set("Content-Type", "application/json")
	web := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := web.Do(request)
	if err != nil {
		return 0, nil, err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	c.bytes.Add(int64(len(answer)))
	return response.StatusCode, answer, err
}

// expect is do with an expected status.
func (c *crowd) expect(ctx context.Context, want int, who, method, path string, body any) ([]byte, error) {
	status, answer, err := c.do(ctx, who, method, path, body)
	if err == nil && status == http.StatusServiceUnavailable {
		return answer, errBusy
	}
	if err == nil && status != want {
		err = fmt.Errorf("%s %s is answered with %d: %.300s", method, path, status, answer)
	}
	return answer, err
}

// readPages reads some pages, each with a short wait.
func (c *crowd) readPages(ctx context.Context, r *rand.Rand) error {
	who, of := subject(r), stream(r.IntN(streams))
	query := reading(r)
	for range 1 + r.IntN(4) {
		query.Set("limit", fmt.Sprint(1+r.IntN(500)))
		query.Set("wait", fmt.Sprint(1+r.IntN(300), "ms"))
		cursor, err := c.readPage(ctx, who, of, query.Encode())
		if err != nil {
			return err
		}
		query.Set("from", cursor)
	}
	return nil
}

// readPage reads a page of a stream and returns its cursor.
func (c *crowd) readPage(ctx context.Context, who, of, query string) (cursor string, err error) {
	answer, err := c.expect(ctx, http.StatusOK, who, http.MethodGet, fmt.Sprintf("/v1/streams/%s/records?%s", of, query), nil)
	if err != nil {
		return "", err
	}
	var page struct {
		Cursor string `json:"cursor"`
	}
	err = json.Unmarshal(answer, &page)
	return page.Cursor, err
}

// publish stores some records over HTTP.
func (c *crowd) publish(ctx context.Context, r *rand.Rand) error {
	var records []map[string]any
	for range 1 + r.IntN(5) {
		records = append(records, map[string]any{"key": key(r.IntN(keys)), "data": strings.Repeat("x", r.IntN(2000))})
	}
	// On a slow machine Kafka can be too late for some.
	status, answer, err := c.do(ctx, subject(r), http.MethodPost, fmt.Sprintf("/v1/streams/%s/records", stream(r.IntN(streams))),
		map[string]any{"records": records})
	if err == nil && status/100 != 2 && status != http.StatusServiceUnavailable {
		err = fmt.Errorf("a publish is answered with %d: %.300s", status, answer)
	}
	return err
}

// beRefused sends requests without a right, with an invalid token, for something
// that does not exist, or incomplete ones.
func (c *crowd) beRefused(ctx context.Context, r *rand.Rand) error {
	events := "/v1/streams/" + stream(0) + "/events"
	switch r.IntN(6) {
	case 0:
		return c.request(ctx, r, "401", http.MethodGet, events, "Authorization: Bearer "+token(subject(r), -time.Hour))
	case 1:
		return c.request(ctx, r, "401", http.MethodGet, "/v1/ws", append([]string{"Authorization: Bearer none"}, handshake...)...)
	case 2:
		return c.request(ctx, r, "404", http.MethodGet, "/v1/streams/soak.none/events", bearer(subject(r)))
	case 3:
		return c.request(ctx, r, "200", http.MethodHead, events, bearer(subject(r)))
	case 4:
		return c.request(ctx, r, "400", http.MethodGet, events+"?from=nowhere", bearer(subject(r)))
	}
	conn, err := (&net.Dialer{Timeout: time.Minute}).DialContext(ctx, "tcp", c.stage.addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	_, err = io.WriteString(conn, "GET "+events+" HTTP/1.1\r\nHo")
	return err
}
