package transport

// idRoom is room for the id of an event.
const idRoom = 64

// rewindTo rewinds the subscription to what the socket has accepted, and keeps only
// the rest of one event: the others are in the log anyway, so a client that does not
// read holds no memory. Control events that followed the events are sent again
// later. It returns false if all of the output has to be kept.
func (s *session) rewindTo(sc *scratch, written int) bool {
	g := sc.given
	if g.sub == nil || s.socket == nil || s.closing || s.shares != nil {
		return false
	}
	for _, b := range sc.batch.Bufs[:g.first] {
		written -= len(b)
	}
	if written < 0 {
		return false
	}
	stay, ok := g.sub.Rewind(g.from, s.dialect.format(), written)
	if !ok {
		return false
	}
	rest := make([]byte, 0, stay.Bytes-written+idRoom)
	at := 0
	for _, b := range sc.batch.Bufs[g.first:g.end] {
		from, to := max(written-at, 0), min(stay.Bytes-at, len(b))
		if from < to {
			rest = append(rest, b[from:to]...)
		}
		at += len(b)
	}
	rest = s.dialect.rewound(s, g.sub, rest, sc.now)
	sc.batch.Records, sc.batch.Gaps = g.records+stay.Records, g.gaps+stay.Gaps
	s.backlog = &backlog{bytes: rest, since: sc.now, moved: sc.now}
	return true
}
