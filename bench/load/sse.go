package main

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
)

var errChunk = errors.New("malformed chunk")

// chunks decodes the chunked coding of RFC 9112, section 7.1, however the input is
// split.
type chunks struct {
	left int    // remaining bytes of the current chunk's data
	tail bool   // the line end after the data is next
	line []byte // the beginning of an incomplete size line
	done bool   // the last chunk has been seen
}

// decode appends the data within b to dst.
func (c *chunks) decode(dst, b []byte) ([]byte, error) {
	for len(b) > 0 && !c.done {
		if c.left > 0 {
			n := min(c.left, len(b))
			dst = append(dst, b[:n]...)
			b = b[n:]
			c.left -= n
			c.tail = c.left == 0
			continue
		}
		end := bytes.IndexByte(b, '\n')
		if end < 0 {
			if c.line = append(c.line, b...); len(c.line) > 256 {
				return dst, errChunk
			}
			return dst, nil
		}
		line := bytes.TrimSuffix(append(c.line, b[:end]...), []byte("\r"))
		c.line, b = c.line[:0], b[end+1:]
		if c.tail {
			if len(line) > 0 {
				return dst, errChunk
			}
			c.tail = false
			continue
		}
		size, _, _ := bytes.Cut(line, []byte(";"))
		n, err := strconv.ParseInt(string(size), 16, 32)
		if err != nil || n < 0 {
			return dst, fmt.Errorf("%w: size %q", errChunk, size)
		}
		c.left, c.done = int(n), n == 0
	}
	return dst, nil
}

// nextLine splits the first complete line off b, without its end. used is 0 if the
// line is incomplete.
func nextLine(b []byte) (line []byte, used int) {
	end := bytes.IndexByte(b, '\n')
	if end < 0 {
		return nil, 0
	}
	return bytes.TrimSuffix(b[:end], []byte("\r")), end + 1
}
