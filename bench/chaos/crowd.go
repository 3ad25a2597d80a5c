package main

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"sluice/bench/clients"
)

const (
	// idle is the time after which a client considers a silent server dead: well
	// above the servers' intervals of pings and heartbeats.
	idle = 9 * time.Second
	// rightsEnd is how long after the expiry of its token a session may still
	// receive records: five seconds, and a second for the network.
	rightsEnd = skew + 6*time.Second
)

// keys are the keys of the records.
var keys = func() (all []string) {
	for n := range 50 {
		all = append(all, fmt.Sprintf("key-%02d", n))
	}
	return all
}()

// crowd is all subscribers, including clients without a right.
type crowd struct {
	all     []*clients.Subscriber
	without []*clients.Subscriber
	running sync.WaitGroup
	refused sync.WaitGroup // subscribers without a right
	mu      sync.Mutex
	missing []error            // of subscribers that are incomplete
	end     context.CancelFunc // stops the subscribers without a right

	// broken counts connections that ended without having been cut by their client,
	// left the messages that an instance is leaving, and deliveries all messages.
	broken, left, deliveries atomic.Int64
	// lastly is the subscriber that was the last to be complete, or to give up.
	lastly atomic.Pointer[finish]
	// calm is set once no client pauses any more.
	calm atomic.Bool
}

// finish is when a subscriber ended.
type finish struct {
	name string
	at   time.Time
}

// kinds are the combinations of transport and way to resume.
var kinds = []struct {
	over clients.Transport
	by   clients.Resume
}{
	{clients.OverWS, clients.ByCursor},
	{clients.OverSSE, clients.ByCursor},
	{clients.OverWS, clients.BySeen},
	{clients.OverLines, clients.ByCursor},
	{clients.OverWS, clients.ByName},
	{clients.OverSSE, clients.BySeen},
	{clients.OverPages, clients.ByCursor},
	{clients.OverWS, clients.ByPong},
	{clients.OverLines, clients.BySeen},
	{clients.OverPages, clients.ByName},
	{clients.OverPages, clients.BySeen},
}

// gather makes n subscribers of all kinds: one half has a filter, a third reads the
// narrow stream, some are slow, some cut their connections and some have tokens that
// expire soon. It also makes some without a right.
func gather(n int, seed uint64, addr string, forgotten func() uint64) *crowd {
	c := &crowd{}
	random := rand.New(rand.NewPCG(seed, 1000))
	for i := range n {
		kind := kinds[i%len(kinds)]
		traits := []string{string(kind.over), string(kind.by)}
		stream := wide
		if random.IntN(3) == 0 {
			stream = narrow
			traits = append(traits, "narrow")
		}
		s := clients.NewSubscriber("", kind.over, kind.by, stream, partitions)
		s.Addrs, s.Idle, s.Rough, s.Forgotten, s.Watch, s.Broke = []string{addr}, idle, true, forgotten, c.watch, c.broke
		if random.IntN(2) == 0 {
			for _, at := range random.Perm(len(keys))[:1+random.IntN(5)] {
				s.Keys = append(s.Keys, keys[at])
			}
			traits = append(traits, "filtered")
		}
		life := 12 * time.Hour
		switch random.IntN(5) {
		case 0:
			// Acks are sent at most once a second: a client that is always cut
			// sooner never progresses by a named cursor.
			if kind.by != clients.ByName && kind.by != clients.ByPong {
				s.CutEvery = 300_000
				traits = append(traits, "cut")
			}
		case 1:
			s.Rest = c.rest
			traits = append(traits, "slow")
		case 2:
			life = 15*time.Second + time.Duration(random.IntN(15))*time.Second
			traits = append(traits, "expiring")
		}
		s.Name = fmt.Sprintf("%s-%d", strings.Join(traits, "-"), i)
		s.Journal.Subscriber = s.Name
		s.Renew = func() (string, time.Time) {
			text, ends := token(s.Name, "reader", life)
			if life > time.Hour {
				return text, time.Time{}
			}
			return text, ends.Add(rightsEnd)
		}
		c.all = append(c.all, s)
	}
	for i, over := range []clients.Transport{clients.OverWS, clients.OverSSE, clients.OverLines, clients.OverPages} {
		for _, role := range []string{"outsider", "nobody"} {
			s := clients.NewSubscriber(fmt.Sprintf("%s-%s", role, over), over, clients.ByCursor, []string{wide, narrow}[i%2], partitions)
			s.Addrs, s.Idle, s.Rough = []string{addr}, idle, true
			s.Journal.Forbidden = true
			s.Token, _ = token(s.Name, role, 12*time.Hour)
			c.without = append(c.without, s)
		}
	}
	return c
}

// run starts all subscribers. They end by themselves once they have everything,
// those without a right when wait is called.
func (c *crowd) run(ctx context.Context) {
	for _, s := range c.all {
		c.running.Go(func() {
			if err := s.Run(ctx); err != nil {
				c.mu.Lock()
				c.missing = append(c.missing, err)
				c.mu.Unlock()
			}
			c.lastly.Store(&finish{s.Name, time.Now()})
		})
	}
	ctx, c.end = context.WithCancel(ctx)
	for _, s := range c.without {
		c.refused.Go(func() { _ = s.Run(ctx) })
	}
}

// wait waits for all subscribers, and returns the errors of those that are
// incomplete.
func (c *crowd) wait() (missing []error) {
	c.running.Wait()
	c.end()
	c.refused.Wait()
	return c.missing
}

func (c *crowd) watch(m *clients.Message) {
	if m.Kind == "closing" && m.Code == "draining" {
		c.left.Add(1)
		return
	}
	c.deliveries.Add(1)
}

func (c *crowd) broke(error) { c.broken.Add(1) }

// rest returns how long a slow client reads nothing: now and then, and sometimes for
// longer than a server waits.
func (c *crowd) rest() time.Duration {
	if c.calm.Load() || rand.IntN(3000) > 0 {
		return 0
	}
	return time.Second + time.Duration(rand.Int64N(int64(13*time.Second)))
}

// told sums the codes that subscribers received.
func told(all []*clients.Subscriber) string {
	counts := make(map[string]int)
	for _, s := range all {
		for code, n := range s.Codes {
			counts[code] += n
		}
	}
	return sums(counts)
}

// sums formats counts by name.
func sums(counts map[string]int) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		parts = append(parts, fmt.Sprintf("%s %d", name, counts[name]))
	}
	if len(parts) == 0 {
		return "nothing"
	}
	return strings.Join(parts, ", ")
}
