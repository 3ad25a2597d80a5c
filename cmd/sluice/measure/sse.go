package measure

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// refusalBytes bounds the body of a refusal.
const refusalBytes = 4 << 10

var (
	dataField = []byte("data: ")
	idField   = []byte("id: ")
	errLong   = fmt.Errorf("a line is longer than %d bytes", messageBytes)
)

// heartbeat is how often the server is to say something.
const heartbeat = "15s"

// address returns where a client subscribes: a pattern stands for several streams.
func (s *subscriber) address() string {
	parameters, base := url.Values{"heartbeat": {heartbeat}}, s.run.base
	at := base.JoinPath("v1", "streams", s.run.config.Stream, "events")
	if s.position.several {
		at = base.JoinPath("v1", "events")
		parameters.Set("stream", s.run.config.Stream)
	}
	for name, value := range s.request(map[string]string{}) {
		parameters.Set(name, value)
	}
	at.RawQuery = parameters.Encode()
	return at.String()
}

// readSSE subscribes with server-sent events.
func readSSE(ctx context.Context, s *subscriber, take func([]byte) error) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.address(), http.NoBody)
	if err != nil {
		return err
	}
	request.Header.Set("Accept", "text/event-stream")
	if err := s.authorize(ctx, request.Header); err != nil {
		return err
	}
	response, err := s.run.http.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK || !strings.HasPrefix(response.Header.Get("Content-Type"), "text/event-stream") {
		body, _ := io.ReadAll(io.LimitReader(response.Body, refusalBytes))
		return refusal(response, body)
	}
	return readEvents(response.Body, take, s.position.at)
}

// readEvents calls take with the data of each event, which is one line, and at with the id of each that has
// one, after that.
func readEvents(body io.Reader, take func([]byte) error, at func(string)) error {
	lines := bufio.NewReaderSize(body, 16<<10)
	var long []byte
	id := ""
	for {
		line, err := lines.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			if long = append(long, line...); len(long) > messageBytes {
				return errLong
			}
			continue
		}
		if len(long) > 0 {
			long = append(long, line...)
			line = long
		}
		line = bytes.TrimRight(line, "\r\n")
		if data, ok := bytes.CutPrefix(line, dataField); ok {
			if err := take(data); err != nil {
				return err
			}
		} else if text, ok := bytes.CutPrefix(line, idField); ok {
			id = string(text)
		} else if len(line) == 0 && err == nil {
			at(id)
			id = ""
		}
		long = long[:0]
		if err != nil {
			return err
		}
	}
}
