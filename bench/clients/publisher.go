package clients

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"sluice/bench/check"
)

// Publisher sends numbered records and takes the answers down. Its fields are
// set before it is used.
type Publisher struct {
	// Session begins each value, so that no two publishers send the same one.
	Session string
	Stream  string
	Addr    string
	Token   string
	// Keys are used in turn; none are seven of its own.
	Keys []string
	// Every is the pause between two messages; 0 is none.
	Every time.Duration
	// Again sends once more, as a record of its own, what was answered as not
	// stored.
	Again bool
	// Wire says how its connections behave.
	Wire Wire
	// Until, unless nil, ends the publishing once it is closed. What is under
	// way is still answered.
	Until <-chan struct{}

	mu      sync.Mutex
	sent    []check.Publish
	refused []int // to be sent again
}

// Sent is what was sent so far, with the answers.
func (p *Publisher) Sent() []check.Publish {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.sent)
}

// more says whether to go on, with n records wanted.
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

// next makes the next record: key and value, whose bytes must arrive as they
// are, numbers that no double holds too.
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

// notStored are the codes that say so, and that pass. Others are the client's
// own fault, and none is made here.
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
