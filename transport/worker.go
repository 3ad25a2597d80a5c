package transport

import (
	"context"
	"sync"
	"time"

	"sluice/hub"
)

// worker delivers to its share of the sessions. It never waits for a client: a
// session whose socket is full continues when the socket is writable again, and one
// whose connection cannot be written to without waiting continues in a goroutine of
// its own.
type worker struct {
	shard int

	// Owned by the worker.
	scratch scratch
	due     []*session
	lanes   lanes
	live    waitingSessions // sessions that are in step
	behind  waitingSessions // sessions that have to catch up
	// until is how many feeds have to be delivered before sessions that have to catch
	// up have their next turn.
	until uint64

	mu    sync.Mutex
	wheel wheel
	feeds []*hub.Feed // woken
	lag   lag
	owed  map[*hub.Lane]int
	ended bool
	paid  *sync.Cond // a lane is owed nothing, or the worker has ended
	wake  chan struct{}
}

// behindShare is how many sessions that have to catch up are served before the live
// sessions have their turn again, so that they do not delay the live ones.
const behindShare = 32

// behindTime is how long sessions that have to catch up are served before the live
// sessions have their turn again, however few of them that is.
const behindTime = 2 * time.Millisecond

// A worker that has not looked at the clock for pauseNoticed was stopped, usually
// with the whole process. It looks again after pauseGrace.
const (
	pauseNoticed = 2 * time.Second
	pauseGrace   = 2 * time.Second
)

// watch decides when a worker may look at the clock. A worker that was stopped for a
// while has yet to read what clients have sent in time.
type watch struct{ looked, from monotime }

// look records that the worker would look at the clock now, and reports whether it
// may.
func (w *watch) look(now monotime) bool {
	if now.Sub(w.looked) > pauseNoticed {
		w.from = now.Add(pauseGrace)
	}
	w.looked = now
	return !now.Before(w.from)
}

func newWorker(shard int) *worker {
	w := &worker{
		shard: shard,
		wheel: wheel{now: int64(monotimeNow()) / int64(wheelTick)},
		owed:  make(map[*hub.Lane]int),
		wake:  make(chan struct{}, 1),
	}
	w.paid = sync.NewCond(&w.mu)
	return w
}

// run delivers until the context ends.
func (w *worker) run(ctx context.Context) {
	ticker := time.NewTicker(wheelTick)
	defer ticker.Stop()
	watch := watch{looked: monotimeNow()}
	defer func() {
		w.mu.Lock()
		w.ended = true
		w.paid.Broadcast()
		w.mu.Unlock()
	}()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			if now := monotimeNow(); watch.look(now) {
				w.lookAtClock(now)
			}
		case <-w.wake:
			if w.round() {
				w.ring()
			}
		}
	}
}

// round serves a share of what waits, and reports whether something is left.
func (w *worker) round() (more bool) {
	w.mu.Lock()
	for _, f := range w.feeds {
		w.lanes.add(f)
		w.lag.take(f)
	}
	clear(w.feeds)
	w.feeds = w.feeds[:0]
	w.live.take()
	w.behind.take()
	w.mu.Unlock()

	delivered := w.lanes.serve(w.shard, w.deliver)
	w.live.serve(laneShare, 0, w.step)
	if w.lanes.delivered >= w.until {
		w.behind.serve(behindShare, behindTime, w.step)
		w.until = w.lanes.delivered + uint64(w.lanes.waiting)
	}
	w.scratch.reset()
	w.mu.Lock()
	for _, f := range delivered {
		w.lag.delivered(f)
		if w.owed[f.Lane()]--; w.owed[f.Lane()] == 0 {
			delete(w.owed, f.Lane())
			w.paid.Broadcast()
		}
	}
	more = w.lanes.waiting > 0 || !w.live.empty() || !w.behind.empty()
	w.mu.Unlock()
	clear(delivered)
	return more
}

// wakeFeed makes the worker deliver a feed. It is the hub's Wake.
func (w *worker) wakeFeed(f *hub.Feed) {
	w.mu.Lock()
	w.feeds = append(w.feeds, f)
	w.owed[f.Lane()]++
	w.lag.woken(f)
	w.mu.Unlock()
	w.ring()
}

func (w *worker) enqueue(s *session) {
	waiting := &w.live
	if s.behind.Load() {
		waiting = &w.behind
	}
	w.mu.Lock()
	waiting.came = append(waiting.came, s)
	w.mu.Unlock()
	w.ring()
}

func (w *worker) ring() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// settle waits until the worker has delivered all feeds that were woken in a lane.
func (w *worker) settle(lane *hub.Lane) {
	w.mu.Lock()
	for w.owed[lane] > 0 && !w.ended {
		w.paid.Wait()
	}
	w.mu.Unlock()
}

// deliver runs a session to which a feed has something to deliver.
func (w *worker) deliver(o hub.Owner) {
	s, ok := o.(*session)
	if ok && !s.behind.Load() && s.state.CompareAndSwap(idle, running) {
		w.step(s)
	} else {
		o.Pump()
	}
}

// step runs a session whose state is running.
func (w *worker) step(s *session) {
	for {
		switch s.safeStep(&w.scratch) {
		case stepBlocked:
			if s.socket == nil {
				// The session continues in drain, and stays running until that is
				// done.
				s.server.tasks.Go(s.drain)
				return
			}
			s.state.Store(stalled)
			if !s.socket.NotifyWritable() {
				s.resume()
			}
			return
		case stepMore:
			// Other sessions first.
			s.state.Store(queued)
			w.enqueue(s)
			return
		case stepIdle:
			if s.state.CompareAndSwap(running, idle) {
				return
			}
			s.state.Store(running)
		case stepClosed:
			return
		}
	}
}

func (w *worker) add(s *session) {
	w.mu.Lock()
	w.wheel.put(s, monotime(s.due.Load()))
	w.mu.Unlock()
}

func (w *worker) remove(s *session) {
	w.mu.Lock()
	w.wheel.drop(s)
	w.mu.Unlock()
}

// reschedule makes the wheel look at a session at due.
func (w *worker) reschedule(s *session, due monotime) {
	w.mu.Lock()
	if s.place.tick != 0 {
		w.wheel.put(s, due)
	}
	w.mu.Unlock()
}

// lookAtClock runs the sessions for which something is due.
func (w *worker) lookAtClock(now monotime) {
	w.mu.Lock()
	w.due = w.wheel.turn(now, w.due[:0])
	w.mu.Unlock()
	for _, s := range w.due {
		s.resume()
		s.Pump()
	}
	clear(w.due)
}

// drain runs the session in a goroutine of its own, which may wait for the
// connection, until the session has nothing left to write. It is for connections
// whose writes block.
func (s *session) drain() {
	sc, ok := scratches.Get().(*scratch)
	if !ok {
		return
	}
	defer func() {
		sc.reset()
		scratches.Put(sc)
	}()
	defer func() {
		if cause := recover(); cause != nil {
			s.panicked(cause)
		}
	}()
	for {
		if s.backlog != nil {
			n, begun := len(s.backlog.bytes), monotimeNow()
			if err := s.out.WriteAll(s.backlog.bytes, s.server.limits().WriteProgress, s.writeDeadline().Time()); err != nil {
				s.server.noteCutOff(err, s.address)
				s.cut()
				return
			}
			if now := monotimeNow(); now.Sub(begun) >= waitedLeast {
				s.lastSign.Store(int64(now))
			}
			s.sent(n)
			s.backlog = nil
			if s.closing {
				s.finish()
				return
			}
		}
		switch s.safeStep(sc) {
		case stepIdle:
			if s.state.CompareAndSwap(running, idle) {
				return
			}
			s.state.Store(running)
		case stepClosed:
			return
		case stepMore, stepBlocked:
		}
	}
}
