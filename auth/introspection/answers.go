package introspection

import (
	"crypto/sha256"
	"sync"
	"time"

	"sluice/auth"
)

// maxAnswers bounds how many answers of either kind are remembered: positive ones at
// about 1 KB each plus their claims, negative ones at 100 bytes.
const maxAnswers = 10_000

type digest [sha256.Size]byte

// answers are the answers that are remembered, and those that are awaited.
type answers struct {
	mu sync.Mutex
	// Positive and negative answers are apart, so that tokens that a client makes up do
	// not displace valid ones.
	valid, refused map[digest]remembered
	awaited        map[digest]*question
}

type remembered struct {
	identity *auth.Identity // nil if the token was refused
	err      error
	until    time.Time
}

// question is a request in flight, shared by all callers that wait for it.
type question struct {
	done     chan struct{}
	identity *auth.Identity // these are set before done is closed
	err      error
}

func newAnswers() *answers {
	return &answers{valid: make(map[digest]remembered), refused: make(map[digest]remembered), awaited: make(map[digest]*question)}
}

// find returns the answer to a question, if there is one. Otherwise it returns the
// question to wait for, and whether the caller has to ask it and call finish; or nil if
// too many are asked.
func (a *answers) find(of digest, now time.Time) (known remembered, ok bool, q *question, mine bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, all := range []map[digest]remembered{a.valid, a.refused} {
		if known, ok = all[of]; !ok {
			continue
		}
		if now.Before(known.until) {
			return known, true, nil, false
		}
		delete(all, of)
	}
	if q = a.awaited[of]; q == nil && len(a.awaited) < MaxInFlight {
		q, mine = &question{done: make(chan struct{})}, true
		a.awaited[of] = q
	}
	return remembered{}, false, q, mine
}

// finish gives the answer to those who wait for it, and remembers it until a time, which
// is zero for an answer that says nothing about the token.
func (a *answers) finish(of digest, q *question, id *auth.Identity, err error, until time.Time) {
	q.identity, q.err = id, err
	a.mu.Lock()
	delete(a.awaited, of)
	if !until.IsZero() {
		all := a.valid
		if err != nil {
			all = a.refused
		}
		if len(all) >= maxAnswers {
			makeRoom(all)
		}
		all[of] = remembered{identity: id, err: err, until: until}
	}
	a.mu.Unlock()
	close(q.done)
}

// makeRoom examines some answers and removes those that are over, at least one.
func makeRoom(all map[digest]remembered) {
	now, looked, dropped := time.Now(), 0, 0
	for of, known := range all { // in random order
		if looked++; !now.Before(known.until) {
			delete(all, of)
			dropped++
		} else if looked >= 8 {
			if dropped == 0 {
				delete(all, of)
			}
			return
		}
	}
}
