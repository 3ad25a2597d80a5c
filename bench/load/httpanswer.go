package main

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"

	"sluice/bench/load/scenario"
)

var errResponse = errors.New("unexpected HTTP response")

// answers handles the complete responses in the input of a client that publishes over
// HTTP, and returns the rest. Responses come in the order of the requests (RFC 9112,
// section 9.3.2).
func (r *reader) answers(c *conn, b []byte, now int64) []byte {
	for {
		status, body, used, err := nextResponse(b)
		switch {
		case err != nil:
			r.drop(c, err.Error())
			return nil
		case used == 0:
			return b
		case len(c.unanswered) == 0:
			r.drop(c, "a response to no request")
			return nil
		}
		b = b[used:]
		p := c.unanswered[0]
		c.unanswered = append(c.unanswered[:0], c.unanswered[1:]...)
		if status/100 != 2 {
			r.tally.Refusals[fmt.Sprintf("status %d: %.100s", status, body)]++
			continue
		}
		r.answered(p, bytes.Count(body, offsetName), now)
	}
}

// nextResponse splits the first complete response off b. used is 0 if the response is
// incomplete.
func nextResponse(b []byte) (status int, body []byte, used int, err error) {
	end := bytes.Index(b, []byte("\r\n\r\n"))
	if end < 0 {
		if len(b) > maxResponseHead {
			return 0, nil, 0, fmt.Errorf("%w: header too large", errResponse)
		}
		return 0, nil, 0, nil
	}
	head := b[:end+2]
	line, fields, _ := bytes.Cut(head, []byte("\r\n"))
	if len(line) < 12 || !bytes.HasPrefix(line, []byte("HTTP/1.1 ")) {
		return 0, nil, 0, fmt.Errorf("%w: %.100q", errResponse, line)
	}
	if status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return 0, nil, 0, fmt.Errorf("%w: %.100q", errResponse, line)
	}
	used = end + 4
	if field(fields, "transfer-encoding") == "chunked" {
		return nextChunks(status, b, used)
	}
	size, err := strconv.Atoi(field(fields, "content-length"))
	if err != nil || size < 0 || size > maxFrame {
		return 0, nil, 0, fmt.Errorf("%w: its length is unknown: %.200q", errResponse, head)
	}
	if len(b) < used+size {
		return 0, nil, 0, nil
	}
	return status, b[used : used+size], used + size, nil
}

// nextChunks is nextResponse for a body from an index that is chunked, without
// trailers.
func nextChunks(status int, b []byte, from int) (int, []byte, int, error) {
	var body []byte
	for {
		line, used := nextLine(b[from:])
		if used == 0 {
			return 0, nil, 0, nil
		}
		size, err := strconv.ParseUint(string(line), 16, 23)
		if err != nil {
			return 0, nil, 0, fmt.Errorf("%w: chunk of %.20q", errResponse, line)
		}
		from += used
		if len(b) < from+int(size)+2 {
			return 0, nil, 0, nil
		}
		body = append(body, b[from:from+int(size)]...)
		if from += int(size) + 2; size == 0 {
			return status, body, from, nil
		}
	}
}

// field returns the value of a header field, lower case, empty if there is none.
func field(fields []byte, name string) string {
	for line := range bytes.Lines(fields) {
		key, value, _ := bytes.Cut(line, []byte(":"))
		if bytes.EqualFold(key, []byte(name)) {
			return string(bytes.ToLower(bytes.TrimSpace(value)))
		}
	}
	return ""
}

// posts reports whether a client of a kind publishes by HTTP requests.
func posts(kind string) bool { return kind == scenario.HTTP || kind == scenario.Lines }
