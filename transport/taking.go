package transport

import "runtime"

// atOnce is always ready.
var atOnce = func() <-chan struct{} {
	ready := make(chan struct{})
	close(ready)
	return ready
}()

// pageOwner lets a handler wait for its subscription.
type pageOwner chan struct{}

// Pump implements hub.Owner.
func (o pageOwner) Pump() {
	select {
	case o <- struct{}{}:
	default:
	}
}

// takers returns a channel with room for as many handlers as may look through records at the
// same time. They leave half of the processors to sessions: a handler looks through all that
// its filter leaves out, and requests for pages are not limited in number.
func takers() chan struct{} { return make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/2)) }

// take is Subscription.Take for a handler, in its turn.
func (s *Server) take(sub *subscription, records, bytes int, visit func(isGap bool, body []byte)) (more bool) {
	s.takers <- struct{}{}
	defer func() {
		<-s.takers
		if more {
			runtime.Gosched()
		}
	}()
	return sub.Take(records, bytes, visit)
}
