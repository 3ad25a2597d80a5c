package transport

import "sluice/hub/cursors"

// maxPings bounds how many unanswered pings a subscription remembers.
const maxPings = 4

// pinged is the pings that a client has yet to answer, in order, for a subscription
// that acks by pongs.
type pinged []written

// written is what a subscription had been sent before a ping.
type written struct {
	number uint64
	ack    cursors.Ack
}

// add records a ping. If there are too many, the newest recorded ping is replaced:
// pongs can be late by any number of pings, and each still acks something as long as
// the oldest pings are known.
func (p *pinged) add(number uint64, ack cursors.Ack) {
	ping := written{number, ack}
	if len(*p) == maxPings {
		(*p)[maxPings-1] = ping
		return
	}
	*p = append(*p, ping)
}

// answered returns what was written before the newest known ping up to number, and
// removes the pings up to it: a pong may answer all pings before its own (RFC 6455,
// section 5.5.3), and acks only move forward.
func (p *pinged) answered(number uint64) (newest written, ok bool) {
	n := 0
	for n < len(*p) && (*p)[n].number <= number {
		newest, ok = (*p)[n], true
		n++
	}
	*p = append((*p)[:0], (*p)[n:]...)
	return newest, ok
}
