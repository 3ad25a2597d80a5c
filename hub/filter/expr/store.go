package expr

import (
	"container/list"
	"errors"
	"sync"

	"sluice/hub/filter"
)

// ErrClientMemory means that the filters that a client has in use take its share of the
// memory for filters.
var ErrClientMemory = errors.New("the filters of this client take as much memory as a client may have: end subscriptions with filters, or use filters that are shorter or equal")

// ErrMemory means that the filters that are in use take all of the memory for filters.
var ErrMemory = errors.New("the filters in use take all of the memory for filters")

// clientShares is the number of equal shares of the memory, of which a client has at most
// one. A client also has no more than half of what is left, so that clients that have as much
// as they may leave something to those that come later.
const clientShares = 8

// compiled is a filter, and about how many bytes it takes.
type compiled struct {
	filter filter.Filter
	bytes  int
}

// store keeps the compiled filters of clients' texts, in a bounded memory: those that are in
// use, each once however many use it, and in what is left the ones that were used last.
type store struct {
	most int // bytes

	mu     sync.Mutex
	of     map[string]*stored // by text
	unused *list.List         // of *stored, the last used first
	bytes  int                // of all
	used   int                // of those in use
	held   map[string]*share  // by client
}

// share is what a client has in use: each filter once, however many subscriptions have it.
type share struct {
	bytes int
	times map[*stored]int
}

type stored struct {
	compiled
	text  string
	users int
	at    *list.Element // in unused, nil while it has users
}

func newStore(most int) *store {
	return &store{most: most, of: make(map[string]*stored), unused: list.New(), held: make(map[string]*share)}
}

// get returns a filter that is kept.
func (s *store) get(text string) (compiled, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	one := s.of[text]
	if one == nil {
		return compiled{}, false
	}
	if one.at != nil {
		s.unused.MoveToFront(one.at)
	}
	return one.compiled, true
}

// put keeps a filter if there is room beside those in use.
func (s *store) put(text string, made compiled) {
	s.mu.Lock()
	defer s.mu.Unlock()
	one := s.add(text, made)
	if one.users == 0 && one.at == nil {
		one.at = s.unused.PushFront(one)
	}
	s.shrink()
}

// hold keeps a filter in use for a client, until release.
func (s *store) hold(text, client string, made compiled) (release func(), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	one, own := s.of[text], s.held[client]
	more, mine := made.bytes, made.bytes
	if one != nil && one.users > 0 {
		more = 0
	}
	if own == nil {
		own = &share{times: make(map[*stored]int)}
	} else if one != nil && own.times[one] > 0 {
		mine = 0
	}
	switch {
	case mine > 0 && own.bytes+mine > s.most/clientShares,
		mine > 0 && own.bytes > 0 && own.bytes+mine > (s.most-s.used)/2:
		return nil, ErrClientMemory
	case more > (s.most-s.used)/2:
		return nil, ErrMemory
	}
	one = s.add(text, made)
	if one.at != nil {
		s.unused.Remove(one.at)
		one.at = nil
	}
	one.users++
	s.used += more
	own.bytes += mine
	own.times[one]++
	s.held[client] = own
	s.shrink()
	return sync.OnceFunc(func() { s.release(one, client) }), nil
}

func (s *store) release(one *stored, client string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	own := s.held[client]
	if own.times[one]--; own.times[one] == 0 {
		delete(own.times, one)
		own.bytes -= one.bytes
	}
	if len(own.times) == 0 {
		delete(s.held, client)
	}
	if one.users--; one.users == 0 {
		s.used -= one.bytes
		one.at = s.unused.PushFront(one)
	}
}

// add returns what is kept of a text. The caller holds the lock.
func (s *store) add(text string, made compiled) *stored {
	one := s.of[text]
	if one == nil {
		one = &stored{compiled: made, text: text}
		s.of[text] = one
		s.bytes += one.bytes
	}
	return one
}

// shrink forgets what was not used for the longest time. The caller holds the lock.
func (s *store) shrink() {
	for s.bytes > s.most && s.unused.Len() > 0 {
		one := s.unused.Remove(s.unused.Back()).(*stored)
		delete(s.of, one.text)
		s.bytes -= one.bytes
	}
}

// sizes returns how many bytes all filters take, and those in use.
func (s *store) sizes() (all, used int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.bytes, s.used
}
