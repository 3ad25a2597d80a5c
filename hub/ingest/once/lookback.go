package once

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	"sluice/hub/ingest"
	"sluice/hub/record"
	"sluice/hub/share"
)

// look is a record that is looked for by its token.
type look struct {
	token string
	since time.Time
	// certain requires a result that also holds if the record is not found.
	certain bool
	// gone is set once nobody waits for it any more. It is guarded by lookbacks.mu.
	gone bool

	// Set when it is done.
	done   chan struct{}
	found  bool
	at     ingest.Verdict
	header []record.Header // of the record that was found
	err    error           // why it is not known whether there is the record
}

func newLook(token string, since time.Time, certain bool) *look {
	return &look{token: token, since: since, certain: certain, done: make(chan struct{})}
}

// end ends the search for a record, unless it has ended.
func (w *look) end(err error) {
	if w.isDone() {
		return
	}
	if !w.found {
		w.err = err
	}
	close(w.done)
}

func (w *look) isDone() bool {
	select {
	case <-w.done:
		return true
	default:
		return false
	}
}

// errBrokenOff means that nobody knows what the log has.
var errBrokenOff = errors.New("the log was not looked through")

// lookbacks looks for records in the logs of streams. All that are looked for in one log while
// it is being looked through are looked for together, the next time.
type lookbacks struct {
	config *Config
	stats  *stats
	slots  *share.Slots

	mu    sync.Mutex
	queue map[place][]*look
	busy  map[place]chan struct{} // closed when the log is free
	// begun are closed when the log begins to be looked through, for those who wait for a slot.
	begun map[place]chan struct{}
}

// place is a stream of a tenant.
type place struct{ tenant, stream string }

func newLookbacks(config *Config, stats *stats) *lookbacks {
	return &lookbacks{
		config: config, stats: stats,
		// A look takes long, for which time nobody has all slots.
		slots: share.NewSlots(func() share.Bounds {
			return share.Bounds{Total: config.Lookbacks, Principal: max(1, config.Lookbacks/2), Spare: true}
		}),
		queue: make(map[place][]*look), busy: make(map[place]chan struct{}), begun: make(map[place]chan struct{}),
	}
}

// find looks for records of a principal in the log of a stream, and returns when all are done.
func (l *lookbacks) find(ctx context.Context, at place, principal string, looks []*look) {
	l.mu.Lock()
	l.queue[at] = append(l.queue[at], looks...)
	l.mu.Unlock()
	of := share.Client{Tenant: at.tenant, Principal: principal}
	for !allDone(looks) {
		busy, begun := l.wait(at)
		if busy != nil {
			select {
			case <-busy:
			case <-ctx.Done():
				l.giveUp(at, looks, ctx.Err())
				return
			}
			continue
		}
		// Who waits for a slot keeps nobody from the log: another one may have a slot before.
		taken, err := l.slots.TakeUnless(ctx, of, begun)
		switch {
		case err != nil:
			l.giveUp(at, looks, fmt.Errorf("wait to look through the log: %w", err))
			return
		case taken:
			l.withSlot(ctx, at, of, looks)
		}
	}
}

// withSlot looks for all that is looked for in a log, unless somebody else does now, and gives the
// slot back.
func (l *lookbacks) withSlot(ctx context.Context, at place, of share.Client, own []*look) {
	defer l.slots.Give(of)
	if looks := l.begin(at); len(looks) > 0 {
		l.run(ctx, at, looks, own)
	}
}

// wait returns what is closed once a log is free, if somebody looks through it now. Else it returns
// what is closed once somebody does.
func (l *lookbacks) wait(at place) (busy, begun chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if busy = l.busy[at]; busy != nil {
		return busy, nil
	}
	if begun = l.begun[at]; begun == nil && len(l.queue[at]) > 0 {
		begun = make(chan struct{})
		l.begun[at] = begun
	}
	return nil, begun
}

// begin takes all that is looked for in a log, if nobody looks through it now.
func (l *lookbacks) begin(at place) (looks []*look) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if looks = l.queue[at]; l.busy[at] != nil || len(looks) == 0 {
		return nil
	}
	l.busy[at] = make(chan struct{})
	l.emptied(at)
	return looks
}

// emptied removes the queue of a log. The caller holds the lock.
func (l *lookbacks) emptied(at place) {
	delete(l.queue, at)
	if begun := l.begun[at]; begun != nil {
		close(begun)
		delete(l.begun, at)
	}
}

// end frees a log.
func (l *lookbacks) end(at place) {
	l.mu.Lock()
	defer l.mu.Unlock()
	close(l.busy[at])
	delete(l.busy, at)
}

func allDone(looks []*look) bool {
	return !slices.ContainsFunc(looks, func(w *look) bool { return !w.isDone() })
}

// giveUp withdraws records that are not looked for yet. The others will be done by the one who
// looks for them, whom the caller does not wait for: it gets copies that have failed.
func (l *lookbacks) giveUp(at place, looks []*look, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.queue[at] = slices.DeleteFunc(l.queue[at], func(w *look) bool { return slices.Contains(looks, w) })
	if len(l.queue[at]) == 0 {
		l.emptied(at)
	}
	for i, w := range looks {
		select {
		case <-w.done:
		default:
			w.gone = true
			looks[i] = &look{token: w.token, err: err}
		}
	}
}

// run looks through a log for all of the records, which are done then: once for those of about
// the same age, the youngest first. Nobody has to wait for what was written since the time that
// another client has given its record, nor is it too much for anybody else. Of the records, own
// are those of who looks: the context is theirs alone, and if it ends, another one looks for the
// rest.
func (l *lookbacks) run(ctx context.Context, at place, looks, own []*look) {
	defer l.end(at)
	err := errBrokenOff
	defer func() {
		if ctx.Err() != nil {
			looks = l.leave(at, looks, own)
		}
		for _, w := range looks {
			w.end(err)
		}
	}()
	for _, group := range byAge(looks, l.config.Now()) {
		failed := l.scan(ctx, at, group)
		if err = failed; failed != nil && ctx.Err() != nil {
			return
		}
		for _, w := range group {
			w.end(failed)
		}
	}
}

// leave leaves what is still to be looked for, and is not one's own, to the others who wait for it.
// It returns the rest.
func (l *lookbacks) leave(at place, looks, own []*look) (rest []*look) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, w := range looks {
		if w.isDone() || w.found || w.gone || slices.Contains(own, w) {
			rest = append(rest, w)
		} else {
			l.queue[at] = append(l.queue[at], w)
		}
	}
	return rest
}

// youngest is the age up to which records are looked for together. Each further group is that of
// ten times the age.
const youngest = time.Minute

// byAge returns records by their ages, the youngest first.
func byAge(looks []*look, now time.Time) (groups [][]*look) {
	sorted := slices.SortedStableFunc(slices.Values(looks), func(a, b *look) int { return b.since.Compare(a.since) })
	for most := youngest; len(sorted) > 0; most *= 10 {
		n := 0
		for n < len(sorted) && (now.Sub(sorted[n].since) <= most || most > math.MaxInt64/10) {
			n++
		}
		if n > 0 {
			groups, sorted = append(groups, sorted[:n]), sorted[n:]
		}
	}
	return groups
}

func (l *lookbacks) scan(ctx context.Context, at place, looks []*look) error {
	source, topic, err := l.config.Logs.Locate(at.tenant, at.stream)
	if err != nil {
		return fmt.Errorf("find the log: %w", err)
	}
	byToken := make(map[string]*look, len(looks))
	s := scan{source: source, topic: topic, since: looks[0].since, bytes: l.config.LookbackBytes}
	for _, w := range looks {
		byToken[w.token] = w // two that look for one record share the result below
		if w.since.Before(s.since) {
			s.since = w.since
		}
		if w.certain {
			s.pause = l.config.Pause
		}
	}
	s.since = s.since.Add(-l.config.Skew)
	left := len(byToken)
	err = s.run(ctx, func(r *record.Record) bool {
		w := byToken[tokenOf(r.Headers)]
		if w == nil || w.found {
			return true
		}
		w.found = true
		w.at = ingest.Verdict{Partition: r.Partition, Offset: r.Offset, Timestamp: r.Timestamp}
		w.header = cloneHeaders(r.Headers)
		left--
		return left > 0
	})
	l.stats.scanned.Add(uint64(s.read))
	for _, w := range looks {
		if same := byToken[w.token]; same != w && same.found {
			w.found, w.at, w.header = true, same.at, same.header
		}
	}
	return err
}

// tokenOf returns the token in the headers of a record, "" for none.
func tokenOf(headers []record.Header) string {
	for i := len(headers) - 1; i >= 0; i-- {
		if string(headers[i].Name) == ingest.HeaderMessageID {
			return string(headers[i].Value)
		}
	}
	return ""
}

func cloneHeaders(headers []record.Header) []record.Header {
	cloned := make([]record.Header, len(headers))
	for i, h := range headers {
		cloned[i] = record.Header{Name: slices.Clone(h.Name), Value: slices.Clone(h.Value)}
	}
	return cloned
}
