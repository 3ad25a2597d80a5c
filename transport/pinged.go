package transport

import "sluice/hub/cursors"

// maxPings bounds how many pings without an answer a subscription remembers.
const maxPings = 4

// pinged are the pings that a client has yet to answer, in their order, for a
// subscription that acks by pongs.
type pinged []written

// written is what a subscription had been sent before a ping.
type written struct {
	number uint64
	ack    cursors.Ack
}

// add notes a ping. Where there are too many the newest one before it is
// forgotten: pongs can be late by any number of pings, and each still acks
// something as long as the oldest pings are known.
func (p *pinged) add(number uint64, ack cursors.Ack) {
	ping := written{number, ack}
	if len(*p) == maxPings {
		(*p)[maxPings-1] = ping
		return
	}
	*p = append(*p, ping)
}

// answered gives what was written before the newest known ping up to a number,
// and forgets those up to it: a pong may answer all pings before its own (RFC
// 6455, section 5.5.3), and acks go only forward.
func (p *pinged) answered(number uint64) (newest written, ok bool) {
	n := 0
	for n < len(*p) && (*p)[n].number <= number {
		newest, ok = (*p)[n], true
		n++
	}
	*p = append((*p)[:0], (*p)[n:]...)
	return newest, ok
}
