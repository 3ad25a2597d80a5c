package transport

// flushSealed is flush over TLS. What cannot be written is kept as sealed records: a
// record that TLS has made must be sent, as the next one continues its sequence. To
// keep little of a client that does not read, one record is made at a time, and the
// events behind it are rewound.
func (s *session) flushSealed(sc *scratch, size int) stepResult {
	if size > 0 {
		s.lastWrite = sc.now
	}
	at := position{bufs: sc.batch.Bufs}
	for begun := false; !begun || at.done < size; begun = true {
		sc.short = at.take(sc.short[:0], tlsRecord)
		last := s.closing && at.done == size
		if len(sc.short) == 0 && !last && !s.tls.owes() {
			break
		}
		var err error
		if sc.sealed, err = s.tls.seal(sc.sealed[:0], sc.short, last); err != nil {
			s.alert(sc.sealed)
			return stepClosed
		}
		s.sent(len(sc.short))
		sc.first[0] = sc.sealed
		n, err := s.out.Try(sc.first[:])
		if err != nil {
			s.cut()
			return stepClosed
		}
		if n < len(sc.sealed) {
			return s.keepSealed(sc, sc.sealed[n:], at, size)
		}
	}
	if s.closing {
		s.finish()
		return stepClosed
	}
	return stepIdle
}

// A record takes at most recordRoom bytes more than its content, as with AES in CBC
// mode and SHA-1, and has at least leastRecord bytes of it if there is more: on a new
// connection crypto/tls makes records that fit into one packet.
const (
	recordRoom  = 64
	leastRecord = 1000
)

// keepSealed stores what is left to be written: what is sealed already, and what
// follows it, as far as that cannot be rewound.
func (s *session) keepSealed(sc *scratch, sealed []byte, at position, size int) stepResult {
	var rest []byte
	if at.done < size {
		if s.rewindTo(sc, at.done) {
			rest = s.backlog.bytes
		} else {
			rest = at.take(nil, size-at.done)
		}
		s.sent(len(rest))
	}
	kept := append(make([]byte, 0, len(sealed)+len(rest)+(2+len(rest)/leastRecord)*recordRoom), sealed...)
	if len(rest) > 0 {
		var err error
		if kept, err = s.tls.seal(kept, rest, s.closing); err != nil {
			s.cut()
			return stepClosed
		}
	}
	s.backlog = &backlog{bytes: kept, since: sc.now, moved: sc.now}
	return stepBlocked
}

// position is a place in a list of buffers.
type position struct {
	bufs [][]byte
	at   int // within the first
	done int // bytes before it, in all
}

// take appends the next bytes to dst, at most n.
func (p *position) take(dst []byte, n int) []byte {
	for n > 0 && len(p.bufs) > 0 {
		part := p.bufs[0][p.at:]
		part = part[:min(n, len(part))]
		dst = append(dst, part...)
		n -= len(part)
		p.done += len(part)
		if p.at += len(part); p.at == len(p.bufs[0]) {
			p.bufs, p.at = p.bufs[1:], 0
		}
	}
	return dst
}
