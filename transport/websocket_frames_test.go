package transport_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"sluice/transport"
)

// frameFaults returns violations of RFC 6455, with the close code that answers each.
func frameFaults() map[string]struct {
	sent []byte
	code int
} {
	type fault = struct {
		sent []byte
		code int
	}
	long := make([]byte, 14)
	long[0], long[1], long[2] = fin|text, 0x80|127, 0x80
	unmasked := append([]byte{fin | text, 2}, "{}"...)
	faults := map[string]fault{
		"unmasked":                   {unmasked, 1002},
		"unmasked ping":              {[]byte{fin | pingFrame, 0}, 1002},
		"length with the top bit":    {long, 1002},
		"fragmented ping":            {frame(pingFrame, "x"), 1002},
		"fragmented close":           {frame(closeFrame, ""), 1002},
		"ping of 126":                {frame(fin|pingFrame, strings.Repeat("x", 126)), 1002},
		"lone continuation":          {frame(fin|continuation, "{}"), 1002},
		"lone open continuation":     {frame(continuation, "{}"), 1002},
		"text in a fragment":         {joined(frame(text, `{"type":`), frame(fin|text, `"ping"}`)), 1002},
		"invalid UTF-8":              {frame(fin|text, "\xff\xfe"), 1007},
		"invalid UTF-8 in JSON":      {frame(fin|text, "{\"type\":\"ping\",\"id\":\"\xc3\x28\"}"), 1007},
		"invalid UTF-8 split":        {joined(frame(text, "{\"type\":\"ping\",\"id\":\"\xe2\x82"), frame(fin|continuation, "\"}")), 1007},
		"UTF-8 of a surrogate":       {frame(fin|text, "\"\xed\xa0\x80\""), 1007},
		"overlong UTF-8":             {frame(fin|text, "\"\xc0\xaf\""), 1007},
		"binary":                     {frame(fin|binaryFrame, "{}"), 1003},
		"binary in fragments":        {joined(frame(binaryFrame, "{"), frame(fin|continuation, "}")), 1003},
		"empty binary":               {frame(fin|binaryFrame, ""), 1003},
		"close of one byte":          {frame(fin|closeFrame, "\x03"), 1002},
		"close, reason is not UTF-8": {closeWith(1000, "\xff\xff"), 1007},
		"a byte too much":            {frame(fin|text, strings.Repeat(" ", 1025)), 1009},
		"a byte too much, split":     {joined(frame(text, strings.Repeat(" ", 1000)), frame(fin|continuation, strings.Repeat(" ", 25))), 1009},
		"2^62 declared":              {joined([]byte{fin | text, 0x80 | 127, 0x40, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4}, bytes.Repeat([]byte("x"), 4096)), 1009},
		"2^62 declared, no more":     {[]byte{fin | text, 0x80 | 127, 0x40, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4}, 1009},
		"a byte too much, declared":  {frame(fin|text, strings.Repeat(" ", 1025))[:8], 1009},
		"too much in all, declared":  {joined(frame(text, strings.Repeat(" ", 1000)), frame(fin|pingFrame, ""), frame(fin|continuation, strings.Repeat(" ", 25))[:6]), 1009},
		"too much behind a message":  {joined(frame(fin|text, `{"type":"pong"}`), frame(fin|text, strings.Repeat(" ", 1025))[:8]), 1009},
		"endless empty fragments":    {joined(frame(text, ""), bytes.Repeat(frame(continuation, ""), 10000)), 1008},
		"ping flood":                 {bytes.Repeat(frame(fin|pingFrame, "x"), 10000), 1008},
		"pong flood":                 {bytes.Repeat(frame(fin|pongFrame, "x"), 10000), 1008},
		"ping flood between texts":   {bytes.Repeat(joined(frame(fin|pingFrame, ""), frame(fin|text, `{"type":"pong"}`)), 5000), 1008},
		"ping flood in a message":    {joined(frame(text, "{"), bytes.Repeat(frame(fin|pingFrame, ""), 1000)), 1008},
	}
	for op := byte(0); op < 16; op++ {
		if op >= 3 && op <= 7 || op >= 11 {
			faults[fmt.Sprintf("opcode %d", op)] = fault{frame(fin|op, "x"), 1002}
		}
	}
	for name, bit := range map[string]byte{"rsv1": 0x40, "rsv2": 0x20, "rsv3": 0x10} {
		faults[name] = fault{frame(fin|bit|text, "{}"), 1002}
		faults[name+" ping"] = fault{frame(fin|bit|pingFrame, ""), 1002}
	}
	for _, code := range []uint16{0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535} {
		faults[fmt.Sprintf("close %d", code)] = fault{closeWith(code, "x"), 1002}
	}
	return faults
}

// TestFrameFaultsCloseWithTheirCode: each violation is answered by its close code,
// whatever the client still sends, and another session is not affected.
func TestFrameFaultsCloseWithTheirCode(t *testing.T) {
	t.Parallel()
	in := start(t, options{limits: func(l *transport.Limits) {
		l.SessionsPerPrincipal, l.MessageBytes = 0, 1024
	}})
	key := token(t, "u", "live", time.Hour)
	other := in.dial("", key)
	other.send(`{"type":"subscribe","id":"o","stream":"orders"}`)
	other.until("caught_up")
	// More than sockets hold, so that it is unread when the close is written.
	more := bytes.Repeat([]byte("garbage "), 64<<10)
	for name, fault := range frameFaults() {
		for _, rest := range [][]byte{nil, more} {
			c := in.raw(t, "", key)
			c.t = named{t, name}
			sent := make(chan struct{})
			go func() {
				defer close(sent)
				_, _ = c.Write(joined(fault.sent, rest))
			}()
			want := "bad_request"
			if fault.code == 1009 {
				want = "too_large"
			}
			if got := c.closesAfter(want); got != fault.code {
				t.Errorf("%s: closed with %d, want %d", name, got, fault.code)
			}
			_ = c.Close()
			<-sent
		}
	}
	in.publish("orders", 0, 0, 1)
	if m := other.until("event"); m["offset"] != 0.0 {
		t.Errorf("the other session got %v", m)
	}
}

// named adds a case's name to the messages of a test.
type named struct {
	testing.TB
	name string
}

func (n named) Fatalf(format string, args ...any) {
	n.Helper()
	n.TB.Fatalf(n.name+": "+format, args...)
}

// TestLegalClosesAreAnswered: a legal close is answered with its own code, and no
// message before it.
func TestLegalClosesAreAnswered(t *testing.T) {
	t.Parallel()
	in := start(t, options{limits: func(l *transport.Limits) { l.SessionsPerPrincipal = 0 }})
	key := token(t, "u", "live", time.Hour)
	for _, code := range []uint16{
		1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4201, 4999,
	} {
		c := in.raw(t, "", key)
		c.put(closeWith(code, "bye, \u00e9"))
		if got := c.closes(); got != int(code) || c.last.str("type") != "welcome" {
			t.Errorf("%d was answered with %d after %v", code, got, c.last)
		}
	}
	c := in.raw(t, "", key)
	c.put(frame(fin|closeFrame, ""))
	if got := c.closes(); got != 1000 {
		t.Errorf("a close without a code was answered with %d", got)
	}
}

func TestFragmentsAreOneMessage(t *testing.T) {
	t.Parallel()
	in := start(t, options{})
	c := in.raw(t, "", token(t, "u", "live", time.Hour))
	const m = `{"type":"ping","id":"é€😀"}`
	var sent [][]byte
	for i := range len(m) {
		first := byte(continuation)
		switch i {
		case 0:
			first = text
		case len(m) - 1:
			first |= fin
		}
		sent = append(sent, frame(first, m[i:i+1]))
		if i == len(m)/2 {
			sent = append(sent, frame(fin|pingFrame, "between"), frame(continuation, ""))
		}
	}
	for _, b := range slices.Concat(sent...) { // each byte in a packet of its own
		c.put([]byte{b})
	}
	if pong := c.until("pong"); pong.str("id") != "é€😀" {
		t.Errorf("got %v", pong)
	}
	if len(c.pongs) != 1 || string(c.pongs[0]) != "between" {
		t.Errorf("got pongs %q", c.pongs)
	}
	for _, payload := range []string{"", strings.Repeat("p", 125)} {
		c.put(frame(fin|pingFrame, payload))
		c.say(`{"type":"ping"}`)
		c.until("pong")
		if got := string(c.pongs[len(c.pongs)-1]); got != payload {
			t.Errorf("ping %q was answered with %q", payload, got)
		}
	}
}

func TestMessageBytes(t *testing.T) {
	t.Parallel()
	for _, limit := range []int{0, 1024} {
		in := start(t, options{limits: func(l *transport.Limits) { l.MessageBytes = limit }})
		c := in.raw(t, "", token(t, "u", "live", time.Hour))
		m := `{"type":"ping","id":"x"}`
		size := 1024
		if limit == 0 {
			size = 1 << 20
		}
		c.say("%s%s", m, strings.Repeat(" ", size-len(m)))
		c.until("pong")
		// The same in fragments of one byte.
		var sent []byte
		for i := range 1024 {
			first, b := byte(continuation), " "
			if i == 0 {
				first = text
			}
			if i < len(m) {
				b = m[i : i+1]
			}
			sent = append(sent, frame(first, b)...)
		}
		c.put(sent, frame(fin|continuation, ""))
		c.until("pong")
	}
}

// TestMessageAssembly: a message that is not complete in time closes the session,
// whether it stops or trickles.
func TestMessageAssembly(t *testing.T) {
	t.Parallel()
	in := start(t, options{limits: func(l *transport.Limits) { l.MessageAssembly = 200 * time.Millisecond }})
	key := token(t, "u", "live", time.Hour)
	complete := in.raw(t, "", key)
	complete.say(`{"type":"ping"}`)
	complete.until("pong")
	c := in.raw(t, "", key)
	c.put(frame(text, `{"type":`))
	if code := c.closesAfter("bad_request"); code != 1008 {
		t.Errorf("standing still: closed with %d", code)
	}
	c = in.raw(t, "", key)
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		for first := byte(text); ; first = continuation {
			if _, err := c.Write(frame(first, " ")); err != nil {
				return
			}
			time.Sleep(20 * time.Millisecond)
		}
	}()
	if code := c.closesAfter("bad_request"); code != 1008 {
		t.Errorf("trickling: closed with %d", code)
	}
	_ = c.Close()
	<-sent
	// A complete message leaves no deadline behind: those of messages that began
	// after it have passed.
	complete.say(`{"type":"ping"}`)
	complete.until("pong")
}

// TestPingFloodWithoutReading: a ping flood closes the session, also if the client
// never reads its pongs.
func TestPingFloodWithoutReading(t *testing.T) {
	t.Parallel()
	in := start(t, options{})
	c := in.raw(t, "", token(t, "u", "live", time.Hour))
	_ = c.SetWriteDeadline(time.Now().Add(5 * time.Second))
	for {
		if _, err := c.Write(bytes.Repeat(frame(fin|pingFrame, strings.Repeat("p", 125)), 100)); err != nil {
			break // the server reads no more
		}
	}
	in.sampleBecomes(`sluice_sessions{protocol="websocket"}`, 0)
	in.sampleBecomes(`sluice_faults_total{code="bad_request"}`, 1)
}

// TestClosedIsNotReset: the connection of a client that is still sending when it is
// closed is not reset before the client could read the reason.
func TestClosedIsNotReset(t *testing.T) {
	t.Parallel()
	in := start(t, options{limits: func(l *transport.Limits) { l.MessageBytes, l.SessionsPerPrincipal = 1024, 0 }})
	key := token(t, "u", "live", time.Hour)
	for _, name := range []string{"unmasked", "ping flood", "endless empty fragments", "binary", "a byte too much", "invalid UTF-8", "close 1005"} {
		c := in.raw(t, "", key)
		_, _ = c.Write(frameFaults()[name].sent)
		_ = c.closes()
		for range 5 {
			time.Sleep(5 * time.Millisecond) // a reset comes after the write that causes it
			if _, err := c.Write(frame(fin|text, "{}")); err != nil {
				t.Errorf("%s: %v", name, err)
				break
			}
		}
	}
	refused, _ := in.open(t, handshakeOf("", "Origin", "null"), false)
	_ = refused.closesAfter("forbidden")
	time.Sleep(20 * time.Millisecond) // the client is slow to notice the close
	for range 2 {
		if _, err := refused.Write(frame(fin|text, "{}")); err != nil {
			t.Error(err)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// TestPingsOfOneWhoDoesNotReadAreNotKept: the server stops reading from a client
// that pings and does not read, once it holds too many pongs for the client.
func TestPingsOfOneWhoDoesNotReadAreNotKept(t *testing.T) {
	t.Parallel()
	in := start(t, options{limits: func(l *transport.Limits) { l.ControlFramesPerSecond = 0 }})
	for name, kind := range map[string]byte{"pings": pingFrame, "pongs": pongFrame} {
		c := in.raw(t, "", token(t, "u42", "live", time.Hour))
		// Pongs are not answered, so it takes pings to fill the connection.
		pings := bytes.Repeat(frame(fin|pingFrame, strings.Repeat("p", 125)), 50_000)
		flood := bytes.Repeat(frame(fin|kind, strings.Repeat("p", 125)), 250_000)
		_ = c.SetWriteDeadline(time.Now().Add(2 * time.Second))
		if _, err := c.Write(append(pings, flood...)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s: got %v for %d bytes, want the deadline", name, err, len(flood))
		}
	}
}
