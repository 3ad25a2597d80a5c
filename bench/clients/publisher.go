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
	// Wire configures its connections.
	Wire Wire
	// Until, unless nil, ends the publishing when it is closed. Publishes in flight
	// are still answered.
	Until <-chan struct{}

	mu      sync.Mutex
	sent    []check.Publish
	refused []int // to be sent again
}

// Sent returns what was sent so far, with the answers.
func (p *Publisher) Sent() []check.Publish {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.sent)
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
	p.sent = append(p.sent, check.Publish{Session: p.Session, Key: key, Sum: check.Sum([]byte(key), []byte(value))})
	return n, key, value
}

// result is the answer for one record, over either transport.
type result struct {
	Partition *int32 `json:"partition"`
	Offset    *int64 `json:"offset"`
	Code      string `json:"code"`
}

// notStored are the codes of temporary failures after which a record is certainly
// not stored. Other codes are errors of the client, which this client does not make.
var notStored = map[string]bool{"publish_unavailable": true, "rate_limited": true, "draining": true, "overloaded": true}

func (p *Publisher) answer(n int, r result) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case r.Partition != nil && r.Offset != nil && r.Code == "":
		p.sent[n].Answer, p.sent[n].Partition, p.sent[n].Offset = check.Stored, *r.Partition, *r.Offset
	case r.Code == "publish_unknown":
	case notStored[r.Code]:
		p.sent[n].Answer = check.NotStored
		if p.Again {
			p.refused = append(p.refused, n)
		}
	default:
		return fmt.Errorf("%w: %s: record %d is answered with the code %q", errProtocol, p.Session, n, r.Code)
	}
	return nil
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
