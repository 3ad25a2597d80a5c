package hub

import (
	"container/list"
	"time"

	"sluice/hub/share"
)

// client is whom work is done for.
type client = share.Client

// turnTime is how long evaluations for a client take before others have their turn.
const turnTime = time.Millisecond

// party is who has turns: a tenant, or a principal in it. Turns are spans of time and not
// numbers of tasks: who has taken more than a turn, because the last evaluation was long,
// waits until the others have had as much. Guarded by turns.mu.
type party struct {
	name string
	of   *party // the tenant, or that which has all
	at   *list.Element

	members map[string]*party
	order   list.List // the members, in the order of their turns
	tasks   list.List // of *task, that wait; only a principal has any

	waiting int           // tasks of it and its members; one that waits in several places counts in each
	busy    int           // turns that it and its members have now
	credit  time.Duration // what is left of its turn; negative if it has taken more
}

// member returns a member, which is added if there is none of the name.
func (p *party) member(name string) *party {
	m := p.members[name]
	if m == nil {
		if p.members == nil {
			p.members = make(map[string]*party)
		}
		m = &party{name: name, of: p}
		m.at = p.order.PushBack(m)
		p.members[name] = m
	}
	return m
}

// next returns the member who has the next turn. A task of a member must be waiting.
func (p *party) next() *party {
	for {
		m, _ := p.order.Front().Value.(*party)
		p.order.MoveToBack(m.at)
		m.credit = min(m.credit+turnTime, turnTime)
		switch {
		case m.credit <= 0:
		case m.waiting > 0:
			return m
		case m.busy == 0 && m.credit == turnTime:
			p.order.Remove(m.at)
			delete(p.members, m.name)
		}
	}
}

// begin begins a turn, and end ends it.
func (p *party) begin() { p.hold(1) }
func (p *party) end()   { p.hold(-1) }

func (p *party) hold(n int) {
	for ; p != nil; p = p.of {
		p.busy += n
	}
}

// count counts tasks that begin or cease to wait.
func (p *party) count(n int) {
	for ; p != nil; p = p.of {
		p.waiting += n
	}
}

// charge takes time that a member's evaluations took from its turn, and from its tenant's.
func (p *party) charge(spent time.Duration) {
	for ; p != nil; p = p.of {
		p.credit -= spent
	}
}
