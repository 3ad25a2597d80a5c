package hub

import (
	"context"
	"errors"
	"sync"
	"time"
)

const (
	// lateRead is about how much one read asks for, over all partitions.
	lateRead = 512 << 10
	// lateAhead is how much is read ahead of the subscriber.
	lateAhead = 256 << 10
	// latePatience is how long a read waits for its subscriber. Then it gives
	// its turn to others, and what it holds; the subscription begins another
	// one when it has delivered what it has.
	latePatience = 5 * time.Second
)

// late reads for one subscription what precedes the log, in a goroutine of its
// own, no faster than the subscription delivers it.
type late struct {
	cancel context.CancelFunc

	mu    sync.Mutex
	runs  []run
	bytes int
	done  bool          // nothing more will come
	space chan struct{} // told when runs were taken
}

// run is some entries of a block of one partition.
type run struct {
	block *chunk
	i, n  int
}

func (r run) bytes() int {
	return int(r.block.at(r.n-1).end) - int(r.block.at(r.i).end) + len(r.block.body(r.i))
}

// readLate begins to read for a subscription.
func (h *Hub) readLate(s *Subscription) *late {
	ctx, cancel := context.WithCancel(h.running())
	l := &late{cancel: cancel, space: make(chan struct{}, 1)}
	from, owner := s.own.Clone(), s.owner
	if !h.spawn(func() {
		defer cancel()
		defer l.finish(owner)
		release, err := h.replays.acquire(ctx, s.principal)
		if err != nil {
			return
		}
		defer release()
		s.stream.readTo(ctx, from, s.log.floorPosition, func(r run) bool { return l.put(ctx, r, owner) })
	}) {
		l.done = true
	}
	return l
}

// put hands over a run, and waits a while when the subscription has enough to
// deliver.
func (l *late) put(ctx context.Context, r run, owner Owner) bool {
	var patience *time.Timer
	for {
		l.mu.Lock()
		if l.bytes < lateAhead {
			l.runs = append(l.runs, r)
			l.bytes += r.bytes()
			l.mu.Unlock()
			owner.Pump()
			return true
		}
		l.mu.Unlock()
		if patience == nil {
			patience = time.NewTimer(latePatience)
			defer patience.Stop()
		}
		select {
		case <-ctx.Done():
			return false
		case <-patience.C:
			return false
		case <-l.space:
		}
	}
}

func (l *late) finish(owner Owner) {
	l.mu.Lock()
	l.done = true
	l.mu.Unlock()
	owner.Pump()
}

// next gives the run to deliver, or reports whether there will be others.
func (l *late) next() (r run, ok, done bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.runs) > 0 {
		return l.runs[0], true, false
	}
	return run{}, false, l.done
}

// took says how much of the first run was delivered.
func (l *late) took(n int) {
	l.mu.Lock()
	r := &l.runs[0]
	if n == r.n {
		l.bytes -= r.bytes()
		l.runs[0] = run{}
		l.runs = l.runs[1:]
	} else if n > r.i {
		before := r.bytes()
		r.i = n
		l.bytes -= before - r.bytes()
	}
	l.mu.Unlock()
	select {
	case l.space <- struct{}{}:
	default:
	}
}

// nextLate delivers what has been read from Kafka. It reports whether more has
// to be waited for, or that the batch is full.
func (s *Subscription) nextLate(take takeFunc) (waiting, full bool) {
	r, ok, done := s.late.next()
	if !ok {
		if done {
			s.late.cancel()
			s.late = nil
		}
		return !done, false
	}
	n := s.deliver(r.block, r.i, r.n, take)
	s.late.took(n)
	return false, n < r.n && s.ended == "" && s.told == nil
}

// readTo reads from a position on, in order of time as well as it can, until
// the target has been reached, and hands over what it reads in runs. It goes on
// through errors that can pass, and returns when put returns false or the
// topic is another one. It reports whether it got there.
func (st *stream) readTo(ctx context.Context, from Position, target func() Position, put func(run) bool) (reached bool) {
	at := from.Clone()
	pending := make(map[int32]run)
	retry := newBackoff()
	for ctx.Err() == nil {
		to := target()
		if to.Topic != at.Topic {
			return false
		}
		// What is behind and has nothing at hand is read next; what has
		// something at hand waits for it, to be merged by time.
		var wanted []Place
		for _, end := range to.Places {
			if _, ok := pending[end.Partition]; !ok && at.Offset(end.Partition, 0) < end.Offset {
				place, ok := at.Place(end.Partition)
				if !ok {
					place = Place{Partition: end.Partition, Epoch: -1}
				}
				wanted = append(wanted, place)
			}
		}
		if len(wanted) == 0 && len(pending) == 0 {
			return true
		}
		if len(wanted) > 0 {
			moved, err := st.readBlocks(ctx, wanted, &at, pending)
			switch {
			case errors.Is(err, ErrLogChanged):
				return false
			case err != nil || !moved:
				if !retry.wait(ctx) {
					return false
				}
				continue
			}
			retry.reset()
		}
		if !mergeRuns(pending, put) {
			return false
		}
	}
	return false
}

// readBlocks reads once and adds a block to pending for each partition that
// moved.
func (st *stream) readBlocks(ctx context.Context, from []Place, at *Position, pending map[int32]run) (moved bool, err error) {
	drafts := make(map[int32]*draft)
	topic := st.topicNow()
	if topic.ID != at.Topic {
		// It has been made again, which the log will say in a moment.
		return false, ErrLogChanged
	}
	err = st.Source.Read(ctx, topic, from, lateRead, func(f *Fetched) {
		d := drafts[f.Partition]
		if d == nil {
			d = &draft{}
			drafts[f.Partition] = d
		}
		st.encoder.fetched(d, f, at.Offset(f.Partition, 0))
	})
	for partition, d := range drafts {
		if len(d.entries) == 0 {
			continue
		}
		moved = true
		at.set(d.entries[len(d.entries)-1].place())
		pending[partition] = run{block: d.chunk(Position{}), n: len(d.entries)}
	}
	return moved, err
}

// mergeRuns hands over what is at hand in order of time, until a partition has
// nothing left at hand.
func mergeRuns(pending map[int32]run, put func(run) bool) bool {
	for len(pending) > 0 {
		first, second := int32(-1), int64(0)
		var firstTime int64
		for p, r := range pending {
			t := r.block.at(r.i).time
			switch {
			case first < 0:
				first, firstTime = p, t
				second = 1<<63 - 1
			case t < firstTime || t == firstTime && p < first:
				first, firstTime, second = p, t, firstTime
			default:
				second = min(second, t)
			}
		}
		r := pending[first]
		n := r.i + 1
		for n < r.n && r.block.at(n).time <= second {
			n++
		}
		out := run{block: r.block, i: r.i, n: n}
		if n == r.n {
			delete(pending, first)
		} else {
			r.i = n
			pending[first] = r
		}
		if !put(out) {
			return false
		}
		if n == r.n {
			return true
		}
	}
	return true
}

// floorPosition is where the log begins.
func (l *log) floorPosition() Position { return l.floor().start }

// backoff waits longer each time, up to a second, with jitter.
type backoff struct{ next time.Duration }

func newBackoff() *backoff { return &backoff{next: 20 * time.Millisecond} }

func (b *backoff) reset() { b.next = 20 * time.Millisecond }

func (b *backoff) wait(ctx context.Context) bool {
	t := time.NewTimer(jitter(b.next))
	defer t.Stop()
	b.next = min(2*b.next, time.Second)
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
