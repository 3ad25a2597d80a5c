package kafkalog

import (
	"encoding/binary"
	"fmt"
	"io"
	"sync"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// negotiate returns the version to use for a request, from the versions that the
// broker at the other end supports. Brokers of one cluster can differ while it is
// being upgraded.
func (c *Cluster) negotiate(rw io.ReadWriter, key, newest int16) (int16, error) {
	req := kmsg.NewPtrApiVersionsRequest()
	resp, err := c.ask(rw, req)
	if err != nil {
		return 0, fmt.Errorf("request API versions: %w", err)
	}
	versions := resp.(*kmsg.ApiVersionsResponse)
	if err := kafkaError(versions.ErrorCode); err != nil {
		return 0, fmt.Errorf("request API versions: %w", err)
	}
	for _, k := range versions.ApiKeys {
		if k.ApiKey == key && k.MinVersion <= newest {
			return min(newest, k.MaxVersion), nil
		}
	}
	return 0, fmt.Errorf("%w: no common version of request %d", errTooOld, key)
}

// ask sends one request and reads the answer.
func (c *Cluster) ask(rw io.ReadWriter, req kmsg.Request) (kmsg.Response, error) {
	buf := takeBuffer(0)
	defer buf.release()
	if err := c.send(rw, req, buf); err != nil {
		return nil, err
	}
	// kmsg copies nothing of what it parses, so this buffer is not pooled.
	body, err := receive(rw, req, new(buffer))
	if err != nil {
		return nil, err
	}
	resp := req.ResponseKind()
	if err := resp.ReadFrom(body); err != nil {
		return nil, fmt.Errorf("parse response to request %d: %w", req.Key(), err)
	}
	return resp, nil
}

// correlation is the correlation id of every request: a connection carries one
// request at a time and is closed when an exchange fails.
const correlation = int32(7)

func (c *Cluster) send(w io.Writer, req kmsg.Request, buf *buffer) error {
	formatter := kmsg.NewRequestFormatter(kmsg.FormatterClientID(c.config.ClientID))
	buf.bytes = formatter.AppendRequest(buf.bytes[:0], req, correlation)
	_, err := w.Write(buf.bytes)
	return err
}

// receive reads the answer to a request into buf and returns its body.
func receive(r io.Reader, req kmsg.Request, buf *buffer) ([]byte, error) {
	var head [8]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	size := int64(int32(binary.BigEndian.Uint32(head[:4]))) - 4
	if size < 0 || size > maxAnswerBytes {
		return nil, fmt.Errorf("a response of %d bytes is out of bounds", size)
	}
	if got := int32(binary.BigEndian.Uint32(head[4:])); got != correlation {
		return nil, fmt.Errorf("a response has correlation ID %d, want %d", got, correlation)
	}
	buf.grow(int(size))
	if _, err := io.ReadFull(r, buf.bytes); err != nil {
		return nil, err
	}
	if !req.IsFlexible() || req.Key() == 18 { // the answer to ApiVersions never has tags (KIP-511)
		return buf.bytes, nil
	}
	s := scan{b: buf.bytes}
	s.tags()
	if s.bad {
		return nil, errShort
	}
	return s.b, nil
}

// buffer is memory for a request or an answer.
type buffer struct{ bytes []byte }

// Buffers larger than maxPooledBytes are left to the garbage collector, so that
// one large answer does not keep its memory forever.
const maxPooledBytes = 8 << 20

var buffers = sync.Pool{New: func() any { return new(buffer) }}

func takeBuffer(size int) *buffer {
	b := buffers.Get().(*buffer)
	b.grow(size)
	return b
}

// grow sets the buffer's length to size. Its content is undefined.
func (b *buffer) grow(size int) {
	if cap(b.bytes) < size {
		b.bytes = make([]byte, size)
	}
	b.bytes = b.bytes[:size]
}

func (b *buffer) release() {
	if cap(b.bytes) <= maxPooledBytes {
		buffers.Put(b)
	}
}

// maxAnswerBytes bounds a broker's answer. The answer to a fetch can exceed the
// MaxBytes of the request by one batch, which is at most message.max.bytes long.
const maxAnswerBytes = 128 << 20
