package main

import (
	"bytes"
	"encoding/json"

	"sluice/bench/load/scenario"
)

var (
	eventPrefix      = []byte(`{"type":"event"`)
	subscribedPrefix = []byte(`{"type":"subscribed"`)
	welcomePrefix    = []byte(`{"type":"welcome"`)
	publishedPrefix  = []byte(`{"type":"published"`)
	sseData          = []byte("data:")
	sseReady         = []byte("event: sluice.ready")
	sseID            = []byte("id:")
)

// take parses complete frames and lines, and keeps the rest.
func (r *reader) take(c *conn, b []byte, now int64) {
	if r.dialect == dialectNone {
		return
	}
	switch {
	case posts(c.kind):
		b = r.answers(c, b, now)
	case c.kind == scenario.SSE:
		b = r.lines(c, b, now)
	default:
		b = r.frames(c, b, now)
	}
	if c.closed {
		return
	}
	c.rest = r.keep(c, c.rest, b)
}

// keep copies incomplete input into a buffer of the connection.
func (r *reader) keep(c *conn, into, b []byte) []byte {
	if len(b) > maxFrame {
		r.drop(c, errFrameTooLarge.Error())
		return nil
	}
	return append(into[:0], b...)
}

func (r *reader) frames(c *conn, b []byte, now int64) []byte {
	for !c.closed {
		op, payload, used, err := nextFrame(b)
		switch {
		case err != nil:
			r.drop(c, err.Error())
			return nil
		case used == 0:
			return b
		}
		b = b[used:]
		switch op {
		case opText, opBinary:
			r.payload(c, payload, now)
		case opPing:
			// The pong is dropped if the socket is full: it would claim that the client
			// is alive, which it is not.
			_ = c.writeAll(appendFrame(nil, opPong, payload))
		case opClose:
			r.drop(c, closeReason(payload))
		}
	}
	return nil
}

// payload handles the payload of one frame.
func (r *reader) payload(c *conn, b []byte, now int64) {
	switch r.dialect {
	case dialectPlain:
		r.record(c, b, now)
	case dialectNATS:
		if len(c.inner) > 0 {
			b = append(c.inner, b...)
		}
		rest := r.natsLines(c, b, now)
		if !c.closed {
			c.inner = r.keep(c, nil, rest)
		}
	default:
		// Events of one write may arrive as one message, an object per line.
		for len(b) > 0 {
			line, rest, _ := bytes.Cut(b, []byte("\n"))
			r.message(c, line, now)
			b = rest
		}
	}
}

func (r *reader) lines(c *conn, b []byte, now int64) []byte {
	for {
		line, used := nextLine(b)
		if used == 0 {
			return b
		}
		b = b[used:]
		if data, ok := bytes.CutPrefix(line, sseData); ok {
			data = bytes.TrimPrefix(data, []byte(" "))
			if r.dialect == dialectPlain {
				r.record(c, data, now)
			} else {
				r.message(c, data, now)
			}
			continue
		}
		if c.resume != nil && bytes.HasPrefix(line, sseID) {
			c.resume.cursor = append(c.resume.cursor[:0], bytes.TrimSpace(line[len(sseID):])...)
		}
		if !c.subscribed && bytes.Equal(line, sseReady) {
			r.subscribed(c)
		}
	}
}

// message handles a message of Sluice's protocol.
func (r *reader) message(c *conn, b []byte, now int64) {
	if bytes.HasPrefix(b, eventPrefix) {
		r.record(c, b, now)
		if c.resume != nil && c.kind == scenario.WebSocket {
			c.resume.event(b)
		}
		return
	}
	if c.resume != nil && c.kind == scenario.WebSocket {
		c.resume.message(b)
	}
	switch {
	case bytes.HasPrefix(b, subscribedPrefix), c.publishes && bytes.HasPrefix(b, welcomePrefix):
		r.subscribed(c)
	case bytes.HasPrefix(b, publishedPrefix):
		r.published(b, now)
	default:
		r.refusal(b)
	}
}

// record handles a possible record.
func (r *reader) record(c *conn, b []byte, now int64) {
	s, end := r.find.find(b)
	if end == 0 {
		return
	}
	r.tally.All++
	fresh, ours := c.track.seen(s)
	if c.behind && s.at >= r.returned {
		c.behind = false
		r.tally.Back++
		r.tally.BackLast = now
	}
	if !r.window.holds(s.at) {
		return
	}
	switch {
	case !ours:
		r.tally.Foreign++
	case !fresh:
		r.tally.Duplicated++
	default:
		r.tally.Deliveries++
		r.tally.Last = now
		r.latency.record(now - s.at)
	}
}

func (r *reader) subscribed(c *conn) {
	if !c.subscribed {
		c.subscribed = true
		r.tally.Subscribed++
	}
}

// refusal counts messages that report an error.
func (r *reader) refusal(b []byte) {
	var message struct {
		Type, Code, Reason string
	}
	if json.Unmarshal(b, &message) != nil {
		return
	}
	switch message.Type {
	case "error", "closing", "unsubscribed", "gap":
		r.tally.Refusals[message.Type+" "+message.Code+message.Reason]++
	}
}
