package measure

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
)

// refusalBytes bounds the body of a refusal.
const refusalBytes = 4 << 10

var (
	dataField = []byte("data: ")
	errLong   = fmt.Errorf("a line is longer than %d bytes", messageBytes)
)

// readSSE subscribes with server-sent events.
func readSSE(ctx context.Context, r *run, take func([]byte) error) error {
	where := r.base.JoinPath("v1", "streams", r.config.Stream, "events")
	where.RawQuery = "from=latest"
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, where.String(), http.NoBody)
	if err != nil {
		return err
	}
	request.Header.Set("Accept", "text/event-stream")
	if err := r.authorize(ctx, request.Header); err != nil {
		return err
	}
	response, err := r.http.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(io.LimitReader(response.Body, refusalBytes))
		return refusal(response.StatusCode, body)
	}
	lines := bufio.NewReaderSize(response.Body, 16<<10)
	var long []byte
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
		if data, ok := bytes.CutPrefix(line, dataField); ok {
			if err := take(bytes.TrimRight(data, "\r\n")); err != nil {
				return err
			}
		}
		long = long[:0]
		if err != nil {
			return err
		}
	}
}
