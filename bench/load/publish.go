package main

import (
	"bytes"
	"context"
	"encoding/json"
	"strconv"
	"time"
)

// publishJob configures what clients publish, together.
type publishJob struct {
	Rate int `json:"rate"`
	// Keys and Size are the number of keys and the size of the records.
	Keys   int    `json:"keys"`
	Size   int    `json:"size"`
	Stream string `json:"stream"`
	// Of every Every records, this process publishes one, beginning with First.
	Every int `json:"every"`
	First int `json:"first"`
}

var idName = []byte(`"id":"`)

// publish sends open loop until the window ends: each record at its due time, which
// its id contains, whether or not earlier ones have been answered. It returns how
// many were due within the window.
func (r *reader) publish(ctx context.Context, job publishJob, counted window) int64 {
	var due int64
	stream, _ := json.Marshal(job.Stream) // A string can always be marshalled.
	begin := time.Now()
	var value, message, frame []byte
	for number := job.First; ctx.Err() == nil; number += job.Every {
		at := begin.Add(time.Duration(int64(number) * int64(time.Second) / int64(job.Rate)))
		if at.UnixNano() >= counted.To {
			break
		}
		time.Sleep(time.Until(at))
		if counted.holds(at.UnixNano()) {
			due++
		}
		slot := number % job.Keys
		value = appendRecord(value[:0], stamp{at: at.UnixNano(), slot: int32(slot), n: int64(number / job.Keys)}, job.Size)
		message = append(message[:0], `{"type":"publish","id":"`...)
		message = strconv.AppendInt(message, at.UnixNano(), 10)
		message = append(message, '-')
		message = strconv.AppendInt(message, int64(number), 10)
		message = append(append(message, `","stream":`...), stream...)
		message = appendKey(append(message, `,"key":"`...), slot)
		message = append(append(message, `","data":`...), value...)
		message = append(message, '}')
		frame = appendFrame(frame[:0], opText, message)
		r.mu.Lock()
		c := r.conns[number/job.Every%len(r.conns)]
		if !c.closed {
			if err := c.writeAll(frame); err != nil {
				r.drop(c, "publish: "+err.Error())
			}
		}
		r.mu.Unlock()
	}
	return due
}

// published handles the answer to a publish.
func (r *reader) published(b []byte, now int64) {
	_, id, _ := bytes.Cut(b, idName)
	digitsOf, _, _ := bytes.Cut(id, []byte("-"))
	at, ok := digits(digitsOf)
	if ok && r.window.holds(at) {
		r.tally.Published++
		r.latency.record(now - at)
	}
}
