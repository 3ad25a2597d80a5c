package main

import (
	"bytes"
	"strconv"
)

var (
	natsMsg  = []byte("MSG ")
	natsPing = []byte("PING")
	natsPong = []byte("PONG")
	natsErr  = []byte("-ERR")
)

// natsLines handles the payload of frames, and returns the incomplete rest. A
// message may span several frames.
func (r *reader) natsLines(c *conn, b []byte, now int64) []byte {
	for !c.closed {
		line, used := nextLine(b)
		if used == 0 {
			return b
		}
		switch {
		case bytes.HasPrefix(line, natsMsg):
			size, err := strconv.Atoi(string(line[bytes.LastIndexByte(line, ' ')+1:]))
			if err != nil || size < 0 || size > maxFrame {
				r.drop(c, "malformed MSG")
				return nil
			}
			if len(b) < used+size+2 {
				return b
			}
			r.record(c, b[used:used+size], now)
			used += size + 2
		case bytes.HasPrefix(line, natsPing):
			_ = c.writeAll(appendFrame(nil, opText, []byte("PONG\r\n")))
		case bytes.HasPrefix(line, natsPong):
			r.subscribed(c)
		case bytes.HasPrefix(line, natsErr):
			r.tally.Refusals[string(line)]++
		}
		b = b[used:]
	}
	return nil
}
