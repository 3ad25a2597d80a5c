package ingest

import (
	"container/heap"
	"time"
)

// parties are those who have turns: tenants, or the principals of one. Guarded by Turns.mu.
type parties struct {
	byName map[string]*party
	queue  queue         // those that wait, the one that has had the least time first
	now    time.Duration // what those have had at least who have waited
	kept   int           // how many were left when those were forgotten that had had little
}

// party is a tenant or a principal.
type party struct {
	name    string
	had     time.Duration // not less than that of others when it began to wait
	long    bool          // its last turn was
	busy    int           // batches that wait, or have their turn
	at      int           // its place in the queue, if it waits
	queued  bool
	members parties // of a tenant
	waits   []*wait // of a principal, the first one first
}

// isShort reports whether a principal that waits has no turn, and its last one was short.
func (of *party) isShort() bool { return !of.long && of.busy == len(of.waits) }

// manyParties is how many are remembered before those are looked for that can be forgotten.
const manyParties = 64

// named returns the party of a name.
func (p *parties) named(name string) *party {
	if of := p.byName[name]; of != nil {
		return of
	}
	if len(p.byName) > 2*p.kept+manyParties {
		for name, of := range p.byName {
			if of.busy == 0 && of.had <= p.now+turnTime {
				delete(p.byName, name)
			}
		}
		p.kept = len(p.byName)
	}
	if p.byName == nil {
		p.byName = make(map[string]*party)
	}
	of := &party{name: name}
	p.byName[name] = of
	return of
}

// enqueue has a party wait, if it does not. It is no better off for not having waited before.
func (p *parties) enqueue(of *party) {
	if of.queued {
		return
	}
	of.had = max(of.had, p.now)
	heap.Push(&p.queue, of)
}

func (p *parties) dequeue(of *party) { heap.Remove(&p.queue, of.at) }

// charge adds to the time that a party has had.
func (p *parties) charge(of *party, took time.Duration) {
	if of.had += took; of.queued {
		heap.Fix(&p.queue, of.at)
	}
}

// queue implements heap.Interface.
type queue []*party

func (q queue) Len() int           { return len(q) }
func (q queue) Less(i, j int) bool { return q[i].had < q[j].had }

func (q queue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].at, q[j].at = i, j
}

// Push implements heap.Interface.
func (q *queue) Push(x any) {
	of, _ := x.(*party)
	of.at, of.queued = len(*q), true
	*q = append(*q, of)
}

// Pop implements heap.Interface.
func (q *queue) Pop() any {
	last := len(*q) - 1
	of := (*q)[last]
	(*q)[last] = nil
	*q = (*q)[:last]
	of.queued = false
	return of
}
