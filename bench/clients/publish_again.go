package clients

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"time"

	"sluice/bench/check"
)

const (
	// againAfter is how long Settle waits between two rounds.
	againAfter = 200 * time.Millisecond
	// patience is how long it waits for an answer, most times.
	patience = 15 * time.Second
)

// open is a record whose final answer is not known.
type open struct {
	value string
	// told means that it is known of this record, but not of the other one that was sent under
	// its id, as other says.
	told, other bool
}

// Settle sends the records that may be stored again, each under its message id, until it is known
// of all of them what has become of them. It runs beside OverHTTP or OverWebSocket: ended is closed
// once that has returned, and then the records without an answer are sent again, too. Some
// requests do not wait for the answer, and some send another record under the id.
func (p *Publisher) Settle(ctx context.Context, ended <-chan struct{}) error {
	web := p.web()
	defer web.CloseIdleConnections()
	for ctx.Err() == nil {
		over := false
		select {
		case <-ended:
			over = true
		default:
		}
		left := p.unsettled(over)
		if over && len(left) == 0 {
			return nil
		}
		for _, n := range left {
			if err := p.again(ctx, web, n); err != nil {
				return err
			}
		}
		pause(ctx, againAfter)
	}
	return ctx.Err()
}

// unsettled returns the records that are to be sent again.
func (p *Publisher) unsettled(all bool) []int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if all {
		p.lost = slices.Sorted(maps.Keys(p.open))
	}
	return slices.DeleteFunc(slices.Clone(p.lost), func(n int) bool { _, open := p.open[n]; return !open })
}

// again sends a record once more.
func (p *Publisher) again(ctx context.Context, web *http.Client, n int) error {
	p.mu.Lock()
	record, sent := p.open[n], p.sent[n]
	p.mu.Unlock()
	value := record.value
	wait := patience
	if rand.IntN(4) == 0 {
		wait = rand.N(20 * time.Millisecond)
	}
	another := record.told || rand.IntN(8) == 0
	if another {
		value = fmt.Sprintf(`{"session":%q, "n":%d,"another":true}`, p.Session, n)
	}
	repeat := check.Publish{Session: sent.Session, Key: sent.Key, ID: sent.ID, Sum: check.Sum([]byte(sent.Key), []byte(value))}
	asking, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	body := fmt.Sprintf(`{%s"key":%q,"data":%s}`, p.idField(n), sent.Key, value)
	var fault error
	final := false
	if _, text, err := p.ask(asking, web, "", "application/json", "", body); err == nil {
		var r result
		switch err := json.Unmarshal(text, &r); {
		case err != nil: // the answer is that of a balancer
		case r.Code == "idempotency_conflict":
			repeat.Answer, final = check.NotStored, true
		case !r.onto(&repeat):
			fault = fmt.Errorf("%w: %s: record %d, sent again, is answered with %s", errProtocol, p.Session, n, text)
		}
		final = final || repeat.Answer == check.Stored
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.repeats = append(p.repeats, repeat)
	switch {
	case another:
		record.other = !final && (record.other || repeat.Answer == check.Unknown)
	case final:
		record.told = true
	}
	if record.told && !record.other {
		delete(p.open, n)
	}
	return fault
}
