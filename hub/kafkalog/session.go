package kafkalog

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"time"
)

// Brokers can limit how long a client may use a connection after it has
// authenticated (connections.max.reauth.ms, and the end of a bearer token). They
// close a connection on which a request arrives later, unanswered (KIP-368).
// Kafka-go does not read that limit and never authenticates twice. So the
// connections of this package read it, and authenticate the client again before a
// request that would come too late. A request that is in progress when a session
// ends is answered.

// errSessionOver means that the client could not be authenticated again on a
// connection. Nothing of the request was sent, and another connection can carry it.
var errSessionOver = errors.New("the connection's session is over")

// errNoCredentials means that there are no credentials to authenticate with at the
// moment.
var errNoCredentials = errors.New("no credentials")

const (
	// minReauthentication is the least time between two authentications on a
	// connection: brokers refuse the second one within a second.
	minReauthentication = 1100 * time.Millisecond
	// maxSession bounds what is believed of a broker's answer.
	maxSession = 365 * 24 * time.Hour
)

// session is the time for which the client is authenticated on a connection. The
// zero session does not end.
type session struct {
	began   time.Time
	renewAt time.Time // when a request is due for another authentication
	ends    time.Time
	used    bool // it has carried a request
}

// newSession returns the session that a broker's answer begins. The time is that of
// a while after the broker began to count.
func newSession(now time.Time, lifetimeMillis int64) session {
	if lifetimeMillis <= 0 {
		return session{}
	}
	lifetime := time.Duration(min(lifetimeMillis, maxSession.Milliseconds())) * time.Millisecond
	// At random, so that the connections of a cluster are not renewed all at once.
	part := 0.70 + 0.15*rand.Float64() //nolint:gosec // nothing secret depends on it
	return session{began: now, renewAt: now.Add(time.Duration(part * float64(lifetime))), ends: now.Add(lifetime)}
}

func (s *session) due(now time.Time) bool {
	return s.used && !s.renewAt.IsZero() && !now.Before(s.renewAt)
}

// keep begins another session with authenticate if this one is about to end. It is
// called before a request to the broker at address, when no other is in progress.
func (s *session) keep(address string, authenticate func() (session, error)) error {
	now := time.Now()
	if !s.due(now) {
		s.used = true
		return nil
	}
	if now.Sub(s.began) < minReauthentication {
		return fmt.Errorf("broker %s: %w", address, errSessionOver)
	}
	renewed, err := authenticate()
	switch {
	case err == nil:
		*s = renewed
		s.used = true
		return nil
	case errors.Is(err, errNoCredentials) && now.Before(s.ends.Add(-s.ends.Sub(s.began)/10)):
		return nil // nothing was sent, and the broker still takes requests
	}
	return fmt.Errorf("broker %s: %w: %w", address, errSessionOver, hideEOF(err))
}

// hideEOF hides an io.EOF, as kafka-go would drop the text of an error with it.
func hideEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return fmt.Errorf("%v: %w", err, io.ErrUnexpectedEOF) //nolint:errorlint // hidden on purpose
	}
	return err
}

// sessionAnswer reads how long a session lasts from a broker's answer to
// SaslAuthenticate in version 1, which has the lifetime in its last eight bytes. The
// answer can arrive in any pieces.
type sessionAnswer struct {
	head [10]byte // size, correlation id, error code
	have int64    // bytes that have arrived
	last [8]byte
}

// hear takes a piece of the answer, and reports whether the answer is complete.
func (a *sessionAnswer) hear(b []byte) (lifetimeMillis int64, complete bool) {
	if a.have < int64(len(a.head)) {
		copy(a.head[a.have:], b)
	}
	a.have += int64(len(b))
	if len(b) >= len(a.last) {
		copy(a.last[:], b[len(b)-len(a.last):])
	} else {
		copy(a.last[:], a.last[len(b):])
		copy(a.last[len(a.last)-len(b):], b)
	}
	size := int64(binary.BigEndian.Uint32(a.head[:])) + 4
	if a.have < int64(len(a.head)+len(a.last)) || a.have < size {
		return 0, false
	}
	if code := binary.BigEndian.Uint16(a.head[8:]); code != 0 || a.have > size {
		return 0, true
	}
	return int64(binary.BigEndian.Uint64(a.last[:])), true
}
