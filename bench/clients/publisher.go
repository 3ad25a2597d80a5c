package clients

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"sluice/bench/check"
)

// Publisher sends numbered records and records the answers. Its fields are set
// before it is used.
type Publisher struct {
	// Session is the prefix of each value, so that no two publishers send the same
	// value.
	Session string
	Stream  string
	Addr    string
	Token   string
	// Keys are used in turn; if empty, the publisher has seven keys of its own.
	Keys []string
	// Every is the pause between two messages; 0 means none.
	Every time.Duration
	// Again sends a record that was answered as not stored once more, as a new
	// record.
	Again bool
	// IDs gives each record a message id. Settle sends what may be stored again.
	IDs bool
	// Wire configures its connections.
	Wire Wire
	// Until, unless nil, ends the publishing when it is closed. Publishes in flight
	// are still answered.
	Until <-chan struct{}

	mu      sync.Mutex
	sent    []check.Publish
	refused []int // to be sent again
	// open are the records with an id that have no final answer, lost those of them whose answer
	// says so, and repeats what was sent again.
	open    map[int]*open
	lost    []int
	repeats []check.Publish
}

// Sent returns what was sent so far, with the answers.
func (p *Publisher) Sent() []check.Publish {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Concat(p.sent, p.repeats)
}

// idOf returns the message id of a record.
func (p *Publisher) idOf(n int) string { return fmt.Sprintf("%s-%d", p.Session, n) }

// idField returns the field of a record in JSON, "" without message ids.
func (p *Publisher) idField(n int) string {
	if !p.IDs {
		return ""
	}
	return fmt.Sprintf(`"message_id":%q,`, p.idOf(n))
}

// more reports whether to continue, if n records are wanted.
func (p *Publisher) more(n int) bool {
	select {
	case <-p.Until:
		return false
	default:
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.sent) < n
}

// next makes the next record. The bytes of key and value must arrive unchanged,
// including numbers that a double cannot represent.
func (p *Publisher) next() (n int, key, value string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	n = len(p.sent)
	again := ""
	switch {
	case len(p.refused) > 0:
		first := p.refused[0]
		p.refused = p.refused[1:]
		key, again = p.sent[first].Key, fmt.Sprintf(`"again":%d,`, first)
	case len(p.Keys) > 0:
		key = p.Keys[n%len(p.Keys)]
	default:
		key = fmt.Sprintf("%s-%d", p.Session, n%7)
	}
	value = fmt.Sprintf(`{"session":%q, "n":%d,%s"big":9007199254740993,"huge":1e400,"zero":-0}`, p.Session, n, again)
	sent := check.Publish{Session: p.Session, Key: key, Sum: check.Sum([]byte(key), []byte(value))}
	if p.IDs {
		sent.ID = p.idOf(n)
		if p.open == nil {
			p.open = make(map[int]*open)
		}
		p.open[n] = &open{value: value}
	}
	p.sent = append(p.sent, sent)
	return n, key, value
}

// result is the answer for one record, over either transport.
type result struct {
	Partition *int32 `json:"partition"`
	Offset    *int64 `json:"offset"`
	Duplicate bool   `json:"duplicate"`
	Code      string `json:"code"`
	Retryable bool   `json:"retryable"`
}

// onto adds the answer to a publish. It reports false if a client that does nothing wrong is
// not to be answered so.
func (r result) onto(sent *check.Publish) bool {
	switch {
	case r.Partition != nil && r.Offset != nil && r.Code == "":
		sent.Answer, sent.Partition, sent.Offset, sent.Duplicate = check.Stored, *r.Partition, *r.Offset, r.Duplicate
		return sent.ID != "" || !r.Duplicate
	case r.Code == unknownCode:
		return r.Retryable == (sent.ID != "")
	case notStored[r.Code]:
		sent.Answer = check.NotStored
		return true
	}
	return false
}

// unknownCode is the code of a record that may be stored.
const unknownCode = "publish_unknown"

// notStored are the codes of temporary failures after which a record is certainly
// not stored. Other codes are errors of the client, which this client does not make.
var notStored = map[string]bool{"publish_unavailable": true, "rate_limited": true, "draining": true, "overloaded": true}

func (p *Publisher) answer(n int, r result) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !r.onto(&p.sent[n]) {
		return fmt.Errorf("%w: %s: record %d is answered with %+v", errProtocol, p.Session, n, r)
	}
	switch p.sent[n].Answer {
	case check.Unknown:
		if p.IDs {
			p.lost = append(p.lost, n)
		}
		return nil
	case check.NotStored:
		if p.Again {
			p.refused = append(p.refused, n)
		}
	case check.Stored:
	}
	delete(p.open, n)
	return nil
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
