package transport

// idRoom is room for the id of an event.
const idRoom = 64

// rewindTo gives back to the log, where it lies anyway, what the socket did not
// take but the rest of one event, so that a client that does not read holds no
// memory. What was said behind the events is said again later. It reports false
// where all has to be kept.
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
