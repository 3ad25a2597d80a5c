package transport

import (
	"sync"
	"time"

	"sluice/auth"
	"sluice/transport/audit"
)

// audited is what is kept of a session for the events about it. Without a recorder a
// session has none, and the methods do nothing.
type audited struct {
	// Owned by the executor, and before that by the handler that creates the session.
	connected bool
	since     time.Time
	reason    string        // why the session ends
	waiting   []audit.Event // until the session is connected

	// Owned by the reader: the request that is answered.
	action, stream string

	mu        sync.Mutex
	source    auth.Source
	scheme    auth.Scheme
	published map[string]*published // by stream; at most as many as are configured
	over      bool                  // the session has ended
}

// presented notes the credential under which the session goes on.
func (a *audited) presented(c auth.Credential) {
	if a == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.source, a.scheme = c.Source, c.Scheme
}

// asks notes which request is being answered.
func (a *audited) asks(action, stream string) {
	if a != nil {
		a.action, a.stream = action, stream
	}
}

func (a *audited) credential() (auth.Source, auth.Scheme) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.source, a.scheme
}

// publishes adds to what the session has published to a stream. It reports false if the
// session has ended.
func (a *audited) publishes(stream string, sum published) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.over {
		return false
	}
	if all := a.published[stream]; all != nil {
		all.stored += sum.stored
		all.unknown += sum.unknown
		return true
	}
	if a.published == nil {
		a.published = make(map[string]*published)
	}
	a.published[stream] = &sum
	return true
}

// end returns what the session has published, and counts no more.
func (a *audited) end() map[string]*published {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.over = true
	return a.published
}
