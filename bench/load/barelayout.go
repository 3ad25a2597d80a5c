package main

import (
	"bufio"
	"crypto/sha1" // required by RFC 6455, not for secrecy
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"

	"sluice/bench/load/scenario"
)

// bareRequest is the id of a client's subscribe message.
const bareRequest = "0"

// websocketGUID is the GUID of RFC 6455, section 1.3.
const websocketGUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

var errBatch = errors.New("unexpected form of a record batch")

// bareHandshake answers a client's requests as Sluice does, up to its subscription,
// and returns what the client subscribes to.
func bareHandshake(conn net.Conn) (kind, stream string, err error) {
	r := bufio.NewReader(conn)
	request, err := http.ReadRequest(r)
	if err != nil {
		return "", "", fmt.Errorf("read request: %w", err)
	}
	if name, ok := strings.CutPrefix(request.URL.Path, "/v1/streams/"); ok {
		name, ok = strings.CutSuffix(name, "/events")
		if !ok || request.URL.RawQuery != "" {
			return "", "", fmt.Errorf("%w: %s", errHandshake, request.URL)
		}
		_, err = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n")
		return scenario.SSE, name, err
	}
	key := request.Header.Get("Sec-WebSocket-Key")
	if request.URL.Path != "/v1/ws" || !strings.EqualFold(request.Header.Get("Upgrade"), "websocket") || key == "" {
		return "", "", fmt.Errorf("%w: %s", errHandshake, request.URL)
	}
	proof := sha1.Sum([]byte(key + websocketGUID))
	head := "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: " +
		base64.StdEncoding.EncodeToString(proof[:]) + "\r\n"
	if offered := request.Header.Get("Sec-WebSocket-Protocol"); offered != "" {
		first, _, _ := strings.Cut(offered, ",")
		head += "Sec-WebSocket-Protocol: " + first + "\r\n"
	}
	if _, err := io.WriteString(conn, head+"\r\n"); err != nil {
		return "", "", fmt.Errorf("answer request: %w", err)
	}
	message, err := readClientFrame(r)
	if err != nil {
		return "", "", err
	}
	var subscribe struct {
		Type, ID, Stream string
		Key              []string
	}
	if err := json.Unmarshal(message, &subscribe); err != nil || subscribe.Type != "subscribe" ||
		subscribe.ID != bareRequest || len(subscribe.Key) > 0 {
		return "", "", fmt.Errorf("%w: %q", errHandshake, message)
	}
	return scenario.WebSocket, subscribe.Stream, nil
}

// readClientFrame reads one short masked text frame.
func readClientFrame(r io.Reader) ([]byte, error) {
	head := make([]byte, 2, 4)
	if _, err := io.ReadFull(r, head); err != nil {
		return nil, fmt.Errorf("read frame: %w", err)
	}
	size := int(head[1] &^ 0x80)
	if head[0] != 0x80|opText || head[1]&0x80 == 0 || size > 126 {
		return nil, fmt.Errorf("%w: a frame that begins with %x", errHandshake, head)
	}
	if size == 126 {
		if _, err := io.ReadFull(r, head[2:4]); err != nil {
			return nil, fmt.Errorf("read frame: %w", err)
		}
		size = int(binary.BigEndian.Uint16(head[2:4]))
	}
	frame := make([]byte, 4+size)
	if _, err := io.ReadFull(r, frame); err != nil {
		return nil, fmt.Errorf("read frame: %w", err)
	}
	mask, payload := frame[:4], frame[4:]
	for i := range payload {
		payload[i] ^= mask[i%4]
	}
	return payload, nil
}

// appendServerFrame appends a text frame as a server sends it.
func appendServerFrame[T string | []byte](dst []byte, payload T) []byte {
	dst = append(dst, 0x80|opText)
	switch n := len(payload); {
	case n < 126:
		dst = append(dst, byte(n))
	case n < 1<<16:
		dst = binary.BigEndian.AppendUint16(append(dst, 126), uint16(n))
	default:
		dst = binary.BigEndian.AppendUint64(append(dst, 127), uint64(n))
	}
	return append(dst, payload...)
}

func newBareStream(name string) *bareStream {
	return &bareStream{head: []byte(`{"type":"event","stream":"` + name + `","partition":`)}
}

// layOut appends the records of a batch from an offset on, in the framings of the
// connected clients. It handles only what the benchmark writes: uncompressed
// batches, keys that need no escaping, JSON values, no headers.
func (s *bareStream) layOut(partition int32, from int64, b batch) error {
	attributes := binary.BigEndian.Uint16(b[batchAttributesAt:])
	const codec, control = 0x07, 0x20
	switch {
	case b[batchMagicAt] != 2 || attributes&codec != 0:
		return fmt.Errorf("%w: magic %d, attributes %#x", errBatch, b[batchMagicAt], attributes)
	case attributes&control != 0:
		return nil
	}
	first, at := b.first(), int64(binary.BigEndian.Uint64(b[batchTimeAt:]))
	for rest := []byte(b[batchHeader:]); len(rest) > 0; {
		size, n := binary.Varint(rest)
		if n <= 0 || size < 1 || int64(len(rest)-n) < size {
			return fmt.Errorf("%w: a record's size", errBatch)
		}
		// Skip the attributes, which are one byte.
		r := fields(rest[n+1 : n+int(size)])
		rest = rest[n+int(size):]
		time, offset := at+r.number(), first+r.number()
		key, value := r.bytes(), r.bytes()
		if r == nil {
			return fmt.Errorf("%w: a record", errBatch)
		}
		if offset < from {
			continue
		}
		s.event = append(s.event[:0], s.head...)
		s.event = strconv.AppendInt(s.event, int64(partition), 10)
		s.event = strconv.AppendInt(append(s.event, `,"offset":`...), offset, 10)
		s.event = strconv.AppendInt(append(s.event, `,"ts":`...), time, 10)
		s.event = append(append(s.event, `,"key":"`...), key...)
		s.event = append(append(s.event, `","data":`...), value...)
		s.event = append(s.event, '}')
		if len(s.ws) > 0 {
			s.forWS = appendServerFrame(s.forWS, s.event)
		}
		if len(s.sse) > 0 {
			s.forSSE = append(append(append(s.forSSE, "data: "...), s.event...), "\n\n"...)
		}
	}
	return nil
}

// fields are the unread fields of a record, nil once more were requested than there
// are.
type fields []byte

func (f *fields) number() int64 {
	v, n := binary.Varint(*f)
	if n <= 0 {
		*f = nil
		return 0
	}
	*f = (*f)[n:]
	return v
}

func (f *fields) bytes() []byte {
	size := f.number()
	if size < 0 || size > int64(len(*f)) {
		*f = nil
		return nil
	}
	b := (*f)[:size]
	*f = (*f)[size:]
	return b
}
