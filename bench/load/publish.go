package main

import (
	"bytes"
	"context"
	"encoding/json"
	"strconv"
	"time"

	"sluice/bench/load/scenario"
)

// publishJob configures what clients publish, together.
type publishJob struct {
	// Rate is in records per second, Batch of them in each publish.
	Rate  int `json:"rate"`
	Batch int `json:"batch"`
	// Keys and Size are the number of keys and the size of the records.
	Keys   int    `json:"keys"`
	Size   int    `json:"size"`
	Stream string `json:"stream"`
	// Of every Every publishes, this process does one, beginning with First.
	Every int `json:"every"`
	First int `json:"first"`
}

// publishing is a publish that has not been answered, of a client whose answers have
// no id.
type publishing struct {
	at      int64 // when it was due
	records int
}

// publish sends open loop until the window ends: each publish at its due time, whether
// or not earlier ones have been answered. It returns how many records were due within
// the window.
func (r *reader) publish(ctx context.Context, job publishJob, counted window) int64 {
	var due int64
	begin := time.Now()
	w := publishWriter{publishJob: job}
	w.stream, _ = json.Marshal(job.Stream) // A string can always be marshalled.
	for number := job.First; ctx.Err() == nil; number += job.Every {
		at := begin.Add(time.Duration(int64(number) * int64(job.Batch) * int64(time.Second) / int64(job.Rate)))
		if at.UnixNano() >= counted.To {
			break
		}
		time.Sleep(time.Until(at))
		if counted.holds(at.UnixNano()) {
			due += int64(job.Batch)
		}
		r.mu.Lock()
		c := r.conns[number/job.Every%len(r.conns)]
		r.mu.Unlock()
		sent := w.request(c, number, at.UnixNano())
		r.mu.Lock()
		if !c.closed {
			if posts(c.kind) {
				c.unanswered = append(c.unanswered, publishing{at.UnixNano(), job.Batch})
			}
			if err := c.publish(sent); err != nil {
				r.drop(c, "publish: "+err.Error())
			}
		}
		r.mu.Unlock()
	}
	return due
}

// publishWriter makes the requests of one process.
type publishWriter struct {
	publishJob
	stream        []byte // as JSON
	message, sent []byte
}

// request returns the bytes with which a client publishes. They are valid until the
// next call.
func (w *publishWriter) request(c *conn, number int, at int64) []byte {
	switch c.kind {
	case scenario.HTTP:
		w.message = append(w.records(append(w.message[:0], `{"records":[`...), number, at, ','), "]}"...)
		w.sent = w.post(c, "application/json")
	case scenario.Lines:
		w.message = append(w.records(w.message[:0], number, at, '\n'), '\n')
		w.sent = w.post(c, "application/x-ndjson")
	default:
		m := append(w.message[:0], `{"type":"publish","id":"`...)
		m = append(strconv.AppendInt(m, at, 10), '-')
		m = append(strconv.AppendInt(m, int64(w.Batch), 10), '-')
		m = strconv.AppendInt(m, int64(number), 10)
		m = append(append(m, `","stream":`...), w.stream...)
		if w.Batch == 1 {
			m = w.fields(append(m, ','), number, at)
		} else {
			m = append(w.records(append(m, `,"records":[`...), number, at, ','), ']')
		}
		w.message = append(m, '}')
		w.sent = appendFrame(w.sent[:0], opText, w.message)
	}
	return w.sent
}

// post returns a request with the message as its body.
func (w *publishWriter) post(c *conn, mediaType string) []byte {
	return appendPost(w.sent[:0], c.host, "/v1/streams/"+w.Stream+"/records", mediaType, c.fields, w.message)
}

// records appends the records of a publish.
func (w *publishWriter) records(dst []byte, number int, at int64, between byte) []byte {
	for i := range w.Batch {
		if i > 0 {
			dst = append(dst, between)
		}
		dst = append(w.fields(append(dst, '{'), number*w.Batch+i, at), '}')
	}
	return dst
}

// fields appends the key and the value of a record.
func (w *publishWriter) fields(dst []byte, number int, at int64) []byte {
	slot := number % w.Keys
	dst = append(appendKey(append(dst, `"key":"`...), slot), `","data":`...)
	return appendValue(dst, stamp{at: at, slot: int32(slot), n: int64(number / w.Keys)}, w.Size)
}

var (
	idName     = []byte(`"id":"`)
	failedName = []byte(`"failed":`)
)

// published handles the answer to a publish over WebSocket.
func (r *reader) published(b []byte, now int64) {
	_, id, _ := bytes.Cut(b, idName)
	first, rest, _ := bytes.Cut(id, []byte("-"))
	second, _, _ := bytes.Cut(rest, []byte("-"))
	at, ok1 := digits(first)
	records, ok2 := digits(second)
	if ok1 && ok2 {
		r.answered(publishing{at, int(records)}, int(records)-failedOf(b), now)
	}
}

// failedOf returns how many records of a batch were not stored.
func failedOf(b []byte) int {
	_, rest, ok := bytes.Cut(b, failedName)
	if !ok {
		return 0
	}
	end := 0
	for end < len(rest) && rest[end] >= '0' && rest[end] <= '9' {
		end++
	}
	n, _ := digits(rest[:end])
	return int(n)
}

// answered counts a publish of which so many records are stored.
func (r *reader) answered(p publishing, stored int, now int64) {
	if !r.window.holds(p.at) {
		return
	}
	r.tally.Published += int64(stored)
	if failed := p.records - stored; failed > 0 {
		r.tally.Refusals["record not stored"] += failed
	}
	r.latency.record(now - p.at)
}
