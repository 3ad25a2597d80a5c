package client

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"
)

// Stream is a stream that the client may see.
type Stream struct {
	Name string `json:"stream"`
	// Content is how values are shown, "" for each by what it is.
	Content string `json:"content,omitempty"`
	// Partitions is 0 while the number is not known.
	Partitions int32 `json:"partitions,omitempty"`
	// TopicMissing is set while the stream's topic does not exist in Kafka.
	TopicMissing bool `json:"topic_missing,omitempty"`
	// Subscribe and Publish are what the client may do.
	Subscribe bool `json:"subscribe"`
	Publish   bool `json:"publish"`
	// ReplayMS is how far back it may read, in milliseconds, -1 for as far as there are
	// records.
	ReplayMS int64 `json:"replay_ms"`
}

// Replay returns how far back the client may read. It is negative for as far as there are
// records.
func (s Stream) Replay() time.Duration { return time.Duration(s.ReplayMS) * time.Millisecond }

// maxStreams bounds the list of streams, in bytes.
const maxStreams = 64 << 20

// Streams returns the streams that the client may see, by name. A refusal is an *Error.
func (c *Client) Streams(ctx context.Context) ([]Stream, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.endpoint("v1", "streams"), http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("list streams: %w", err)
	}
	if err := c.authorize(ctx, req.Header); err != nil {
		return nil, fmt.Errorf("list streams: %w", err)
	}
	res, err := c.config.HTTPClient.Do(req)
	if err != nil {
		return nil, fmt.Errorf("list streams: %w", reached(err))
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxStreams))
	if err != nil {
		return nil, fmt.Errorf("list streams: %w", err)
	}
	if err := UnreachableBy(res, body); err != nil {
		return nil, fmt.Errorf("list streams: %w", err)
	}
	if res.StatusCode != http.StatusOK {
		return nil, httpError(res, body)
	}
	var list struct{ Streams []Stream }
	if err := json.Unmarshal(body, &list); err != nil {
		return nil, fmt.Errorf("list streams: %s: %w", foreign(res, ""), err)
	}
	return list.Streams, nil
}
