package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"sync"
	"sync/atomic"
	"time"
)

// crowd is the clients that connect and disconnect.
type crowd struct {
	stage *stage
	round int

	visits, bytes atomic.Int64
	written       atomic.Int64 // records written, which numbers the next ones

	mu    sync.Mutex
	names map[string]*use // of cursors
	kinds map[string]int  // visits by kind
	odd   []string        // unexpected errors of clients
}

// use is when a name was last requested, when it was last known to be stored, and
// when everything was idle after that; deleted is set once a client may have deleted
// it.
type use struct {
	asked, stored, rested time.Time
	deleted               bool
}

// visit is one client, from its connection to its end. Errors after the context
// ends, or after the client breaks off, are not reported.
type visit func(c *crowd, ctx context.Context, r *rand.Rand) error

// visitKinds are the actions of clients, each as likely as its number of entries.
var visitKinds = []struct {
	name string
	do   visit
}{
	{"events", (*crowd).readEvents},
	{"events", (*crowd).readEvents},
	{"events", (*crowd).readEvents},
	{"socket", (*crowd).readSocket},
	{"socket", (*crowd).readSocket},
	{"socket", (*crowd).readSocket},
	{"session", (*crowd).converse},
	{"session", (*crowd).converse},
	{"page", (*crowd).readPages},
	{"page", (*crowd).readPages},
	{"name", (*crowd).keepName},
	{"held name", (*crowd).holdName},
	{"publish", (*crowd).publish},
	{"publish", (*crowd).publish},
	{"refused", (*crowd).beRefused},
}

// errBusy is for a client that is asked to come back later: on a busy machine Kafka
// can be too slow for some, and nothing here depends on its speed.
var errBusy = errors.New("the instance is busy")

// come runs a number of clients at once, one after the other, until the context
// ends.
func (c *crowd) come(ctx context.Context, clients int, seed uint64) {
	var all sync.WaitGroup
	for slot := range clients {
		r := rand.New(rand.NewPCG(seed, uint64(c.round)<<32|uint64(slot)))
		all.Go(func() {
			for ctx.Err() == nil {
				kind := visitKinds[r.IntN(len(visitKinds))]
				err := kind.do(c, ctx, r)
				c.visits.Add(1)
				c.mu.Lock()
				c.kinds[kind.name]++
				if errors.Is(err, errBusy) {
					c.kinds["told to come back"]++
					err = nil
				}
				if err != nil && ctx.Err() == nil && len(c.odd) < 20 {
					c.odd = append(c.odd, fmt.Sprintf("%s: %v", kind.name, err))
				}
				c.mu.Unlock()
			}
		})
	}
	// Some records are written in the meantime, so that live clients receive some.
	for tick := time.NewTicker(20 * time.Millisecond); ctx.Err() == nil; {
		select {
		case <-ctx.Done():
			tick.Stop()
		case <-tick.C:
			n := int(c.written.Add(1))
			for i := range 5 {
				c.stage.producer.Produce(ctx, numbered(n%streams, n*5+i, 200), nil)
			}
		}
	}
	all.Wait()
}

// subject returns the name of a client. Each visit has a token of its own.
func subject(r *rand.Rand) string { return fmt.Sprint("user-", r.IntN(2000)) }

// reading returns what a client requests to read.
func reading(r *rand.Rand) url.Values {
	query := url.Values{}
	from := []string{"earliest", "latest", "earliest", "last:100", time.Now().Add(-time.Minute).UTC().Format(time.RFC3339)}
	query.Set("from", from[r.IntN(len(from))])
	if r.IntN(3) == 0 {
		for range 1 + r.IntN(12) {
			query.Add("key", key(r.IntN(keys)))
		}
	}
	return query
}

// stay returns how long a client reads.
func stay(r *rand.Rand) time.Duration { return time.Duration(20+r.IntN(900)) * time.Millisecond }

func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
