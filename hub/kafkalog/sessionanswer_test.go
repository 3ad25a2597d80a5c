package kafkalog

import (
	"encoding/binary"
	"errors"
	"testing"
	"time"
)

// saslAnswer is a broker's answer to SaslAuthenticate in version 1.
func saslAnswer(code int16, message string, lifetimeMillis int64) []byte {
	b := binary.BigEndian.AppendUint32(make([]byte, 4), 7)
	b = binary.BigEndian.AppendUint16(b, uint16(code))
	b = binary.BigEndian.AppendUint16(b, uint16(len(message)))
	b = append(b, message...)
	b = binary.BigEndian.AppendUint32(b, 3)
	b = append(b, "abc"...)
	b = binary.BigEndian.AppendUint64(b, uint64(lifetimeMillis))
	binary.BigEndian.PutUint32(b, uint32(len(b)-4))
	return b
}

// TestLifetimeOfASession: it is found in whatever pieces the answer arrives.
func TestLifetimeOfASession(t *testing.T) {
	t.Parallel()
	var whole sessionAnswer
	if got, complete := whole.hear(append(saslAnswer(0, "", 5000), 1)); got != 0 || !complete {
		t.Errorf("of more than an answer it reads %d", got)
	}
	for _, test := range []struct {
		answer []byte
		want   int64
	}{
		{saslAnswer(0, "", 3_600_000), 3_600_000},
		{saslAnswer(0, "a message of some length", 1<<62), 1 << 62},
		{saslAnswer(0, "", -1), -1},
		{saslAnswer(0, "", 0), 0},
		{saslAnswer(58, "refused", 5000), 0},
	} {
		for size := 1; size <= len(test.answer); size++ {
			var a sessionAnswer
			var got int64
			complete := false
			for rest := test.answer; len(rest) > 0; {
				n := min(size, len(rest))
				if millis, ok := a.hear(rest[:n]); ok {
					got, complete = millis, true
				}
				rest = rest[n:]
			}
			if got != test.want || !complete {
				t.Errorf("in pieces of %d: %d, %v, want %d", size, got, complete, test.want)
			}
		}
	}
}

func TestASessionIsKept(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for _, millis := range []int64{0, -1, -1 << 62} {
		if s := newSession(now, millis); s.due(now.Add(1000 * time.Hour)) {
			t.Errorf("a session of %d ms ends", millis)
		}
	}
	for range 1000 {
		s := newSession(now, 10_000)
		s.used = true
		if s.due(now.Add(6900*time.Millisecond)) || !s.due(now.Add(8600*time.Millisecond)) {
			t.Fatalf("it is renewed after %v", s.renewAt.Sub(now))
		}
	}
	if s := newSession(now, 1<<62); s.ends.After(now.Add(maxSession)) || s.renewAt.Before(now) {
		t.Errorf("it ends at %v", s.ends)
	}

	refused := errors.New("refused")
	old := func(age, lifetime time.Duration) session {
		return session{began: now.Add(-age), renewAt: now.Add(-age).Add(lifetime * 7 / 10), ends: now.Add(-age).Add(lifetime), used: true}
	}
	for name, test := range map[string]struct {
		session session
		err     error // of the authentication
		over    bool
		asked   bool
	}{
		"young":                       {old(time.Second, time.Minute), nil, false, false},
		"due":                         {old(50*time.Second, time.Minute), nil, false, true},
		"due, and refused":            {old(50*time.Second, time.Minute), refused, true, true},
		"due, and no token":           {old(50*time.Second, time.Minute), errNoCredentials, false, true},
		"over, and no token":          {old(59*time.Second, time.Minute), errNoCredentials, true, true},
		"long over":                   {old(time.Hour, time.Minute), nil, false, true},
		"due sooner than can be done": {old(900*time.Millisecond, time.Second), nil, true, false},
		"not used yet":                {session{began: now, renewAt: now, ends: now}, nil, false, false},
	} {
		asked := false
		s := test.session
		err := s.keep("broker:1", func() (session, error) {
			asked = true
			return newSession(time.Now(), 60_000), test.err
		})
		if errors.Is(err, errSessionOver) != test.over || (err != nil) != test.over || asked != test.asked || err == nil && !s.used {
			t.Errorf("%s: %v, asked %v", name, err, asked)
		}
		if test.err == nil && asked && s.due(time.Now()) {
			t.Errorf("%s: it is still due", name)
		}
	}
}
