package main

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// lane is a group of servers. The faults of a lane follow one another, each after
// the previous one is repaired; lanes are independent of each other.
type lane string

const (
	laneInstances lane = "instances"
	laneKafka     lane = "kafka"
	laneRedis     lane = "redis"
	laneBalancer  lane = "balancer"
)

// kind is a kind of fault.
type kind string

const (
	// killed is SIGKILL, and a restart after a while.
	killed kind = "killed"
	// stopped is SIGTERM, which servers treat as a request to stop in order.
	stopped kind = "stopped"
	// paused is SIGSTOP, and SIGCONT after a while.
	paused kind = "paused"
	// rolled is SIGTERM and a restart, of one server after the other.
	rolled kind = "rolled"
	// killedTwo and killedAll are SIGKILL to several servers at once.
	killedTwo kind = "two killed"
	killedAll kind = "all killed"
	// emptied is a loss of all data, without a restart.
	emptied kind = "emptied"
	// electedUnclean is an election of a leader that lacks confirmed records. It
	// affects a topic of its own, and two brokers.
	electedUnclean kind = "unclean"
)

// fault is a planned fault.
type fault struct {
	lane lane
	kind kind
	// target is the index of the server, from 0.
	target int
	// at is when, from the start; later if the previous fault takes longer.
	at time.Duration
	// lasts is how long until the fault is repaired.
	lasts time.Duration
}

func (f fault) String() string {
	return fmt.Sprintf("%6.1fs  %-9s %d  %-10s for %4.1fs", f.at.Seconds(), f.lane, f.target+1, f.kind, f.lasts.Seconds())
}

// deck is how a lane's faults are drawn: all cards of the first round, then all of
// the later rounds repeatedly, shuffled each time. So even a short run includes the
// whole first round.
type deck struct {
	lane         lane
	first, later []card
	servers      int
	// after is the pause before each fault.
	after [2]time.Duration
}

type card struct {
	kind  kind
	lasts [2]time.Duration
}

const second = time.Second

// decks are the faults of a run. Instances have a fault every 5 to 15 seconds.
var decks = []deck{
	{
		lane: laneInstances, servers: instances, after: [2]time.Duration{5 * second, 12 * second},
		first: []card{
			{killed, [2]time.Duration{200 * time.Millisecond, 3 * second}},
			{killed, [2]time.Duration{200 * time.Millisecond, 3 * second}},
			{stopped, [2]time.Duration{0, 2 * second}},
			{paused, [2]time.Duration{1 * second, 12 * second}},
		},
		later: []card{
			{killed, [2]time.Duration{200 * time.Millisecond, 5 * second}},
			{killed, [2]time.Duration{200 * time.Millisecond, 5 * second}},
			{killed, [2]time.Duration{0, 1 * second}},
			{stopped, [2]time.Duration{0, 2 * second}},
			{paused, [2]time.Duration{1 * second, 5 * second}},
			{paused, [2]time.Duration{8 * second, 20 * second}},
			{rolled, [2]time.Duration{0, 1 * second}},
			{killedTwo, [2]time.Duration{200 * time.Millisecond, 2 * second}},
		},
	},
	{
		lane: laneKafka, servers: brokers, after: [2]time.Duration{4 * second, 9 * second},
		first: []card{
			{killed, [2]time.Duration{500 * time.Millisecond, 4 * second}},
			{stopped, [2]time.Duration{0, 3 * second}},
			{paused, [2]time.Duration{6 * second, 9 * second}},
			{electedUnclean, [2]time.Duration{}},
		},
		later: []card{
			{killed, [2]time.Duration{500 * time.Millisecond, 6 * second}},
			{killed, [2]time.Duration{500 * time.Millisecond, 6 * second}},
			{stopped, [2]time.Duration{0, 5 * second}},
			{paused, [2]time.Duration{6 * second, 15 * second}},
			{killedTwo, [2]time.Duration{2 * second, 5 * second}},
			{killedAll, [2]time.Duration{2 * second, 5 * second}},
			{electedUnclean, [2]time.Duration{}},
		},
	},
	{
		lane: laneRedis, servers: 1, after: [2]time.Duration{5 * second, 11 * second},
		first: []card{
			{killed, [2]time.Duration{200 * time.Millisecond, 4 * second}},
			{paused, [2]time.Duration{2 * second, 6 * second}},
			{emptied, [2]time.Duration{}},
		},
	},
	{
		lane: laneBalancer, servers: 1, after: [2]time.Duration{20 * second, 35 * second},
		first: []card{{killed, [2]time.Duration{100 * time.Millisecond, 2 * second}}},
	},
}

// plan draws the faults of a run, which depend only on the seed and the duration.
func plan(seed uint64, whole time.Duration) []fault {
	var all []fault
	for n, d := range decks {
		random := rand.New(rand.NewPCG(seed, uint64(n)))
		between := func(span [2]time.Duration) time.Duration {
			if span[1] <= span[0] {
				return span[0]
			}
			return span[0] + time.Duration(random.Int64N(int64(span[1]-span[0]))).Round(10*time.Millisecond)
		}
		hand := shuffled(random, d.first)
		for at := between(d.after); at < whole; at += between(d.after) {
			if len(hand) == 0 {
				hand = shuffled(random, d.first)
				if len(d.later) > 0 {
					hand = shuffled(random, d.later)
				}
			}
			drawn := hand[0]
			hand = hand[1:]
			f := fault{lane: d.lane, kind: drawn.kind, target: random.IntN(d.servers), at: at, lasts: between(drawn.lasts)}
			all = append(all, f)
			at += f.lasts
		}
	}
	slices.SortStableFunc(all, func(a, b fault) int { return int(a.at - b.at) })
	return all
}

func shuffled(random *rand.Rand, cards []card) []card {
	cards = slices.Clone(cards)
	random.Shuffle(len(cards), func(i, j int) { cards[i], cards[j] = cards[j], cards[i] })
	return cards
}
