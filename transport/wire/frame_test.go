package wire_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"sluice/transport/wire"
)

// readFrame parses a server's frame by RFC 6455, section 5.2.
func readFrame(b []byte) (opcode byte, payload, rest []byte, err error) {
	if len(b) < 2 {
		return 0, nil, nil, errors.New("short")
	}
	if b[0]&0xF0 != 0x80 {
		return 0, nil, nil, errors.New("not final, or reserved bits")
	}
	if b[1]&0x80 != 0 {
		return 0, nil, nil, errors.New("masked")
	}
	opcode = b[0] & 0xF
	n := uint64(b[1])
	b = b[2:]
	switch {
	case n == 126 && len(b) >= 2:
		n = uint64(binary.BigEndian.Uint16(b))
		b = b[2:]
		if n < 126 {
			return 0, nil, nil, errors.New("not the shortest length")
		}
	case n == 127 && len(b) >= 8:
		n = binary.BigEndian.Uint64(b)
		b = b[8:]
		if n < 1<<16 || n >= 1<<63 {
			return 0, nil, nil, errors.New("not the shortest length")
		}
	case n > 125:
		return 0, nil, nil, errors.New("short length")
	}
	if opcode >= 8 && n > 125 {
		return 0, nil, nil, errors.New("long control frame")
	}
	if n > uint64(len(b)) {
		return 0, nil, nil, errors.New("short payload")
	}
	return opcode, b[:n], b[n:], nil
}

func TestFrameLengths(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 1, 125, 126, 127, 65535, 65536, 1 << 20} {
		frame := wire.AppendFrame([]byte{9}, wire.OpText, bytes.Repeat([]byte("x"), n))
		opcode, payload, rest, err := readFrame(frame[1:])
		if err != nil || opcode != 1 || len(payload) != n || len(rest) != 0 {
			t.Errorf("%d bytes: opcode %d, %d bytes, %d behind, %v", n, opcode, len(payload), len(rest), err)
		}
		if header := len(wire.AppendFrameHeader(nil, wire.OpText, n)); header > wire.MaxFrameHeader {
			t.Errorf("%d bytes: a header of %d", n, header)
		}
	}
	if got := wire.AppendFrameHeader(nil, wire.OpText, 1<<40); !bytes.Equal(got, []byte{0x81, 127, 0, 0, 1, 0, 0, 0, 0, 0}) {
		t.Errorf("1 TB: % x", got)
	}
}

func TestControlFrames(t *testing.T) {
	t.Parallel()
	opcode, payload, _, err := readFrame(wire.AppendControl(nil, wire.OpPong, []byte("abc")))
	if err != nil || opcode != 10 || string(payload) != "abc" {
		t.Errorf("pong: %d %q %v", opcode, payload, err)
	}
	opcode, payload, _, err = readFrame(wire.AppendControl(nil, wire.OpPing, bytes.Repeat([]byte("y"), 200)))
	if err != nil || opcode != 9 || len(payload) != 125 {
		t.Errorf("long ping: %d, %d bytes, %v", opcode, len(payload), err)
	}
}

func TestCloseFrames(t *testing.T) {
	t.Parallel()
	tests := []struct {
		code     int
		reason   string
		wantCode int
		want     string
	}{
		{1000, "", 1000, ""},
		{4101, "rate_limited", 4101, "rate_limited"},
		{1001, strings.Repeat("a", 123), 1001, strings.Repeat("a", 123)},
		{1001, strings.Repeat("a", 124), 1001, strings.Repeat("a", 123)},
		{1001, strings.Repeat("é", 62), 1001, strings.Repeat("é", 61)},
		{1001, "a\xff", 1001, "a\uFFFD"},
		{1004, "", 1011, ""},
		{1005, "", 1011, ""},
		{1006, "", 1011, ""},
		{1014, "", 1014, ""},
		{1015, "", 1011, ""},
		{2999, "", 1011, ""},
		{3000, "", 3000, ""},
		{4999, "", 4999, ""},
		{5000, "", 1011, ""},
		{0, "", 1011, ""},
		{-1, "", 1011, ""},
		{65536 + 1000, "", 1011, ""},
	}
	for _, tt := range tests {
		opcode, payload, rest, err := readFrame(wire.AppendClose(nil, tt.code, tt.reason))
		if err != nil || opcode != 8 || len(payload) < 2 || len(rest) != 0 {
			t.Errorf("%d: opcode %d, payload %q, %v", tt.code, opcode, payload, err)
			continue
		}
		if code := int(binary.BigEndian.Uint16(payload)); code != tt.wantCode || string(payload[2:]) != tt.want {
			t.Errorf("%d %q: got %d %q, want %d %q", tt.code, tt.reason, code, payload[2:], tt.wantCode, tt.want)
		}
	}
	for code, info := range wire.Codes() {
		if info.Close == 0 {
			continue
		}
		if got := int(binary.BigEndian.Uint16(wire.AppendClose(nil, info.Close, string(code))[2:])); got != info.Close {
			t.Errorf("%s: its close code %d cannot be sent", code, info.Close)
		}
	}
}

// FuzzFrames checks that a sequence of frames is parsed back as it was written.
func FuzzFrames(f *testing.F) {
	f.Add([]byte("hello"), 126, 4101, "rate_limited")
	f.Add([]byte{}, 65536, 1005, "\xff")
	f.Add(bytes.Repeat([]byte{0}, 130), 65535, 1000, strings.Repeat("😀", 40))
	f.Fuzz(func(t *testing.T, payload []byte, size, code int, reason string) {
		size &= 1<<17 - 1
		big := bytes.Repeat([]byte{'z'}, size)
		b := wire.AppendFrame(nil, wire.OpText, payload)
		b = wire.AppendControl(b, wire.OpPong, payload)
		b = wire.AppendFrame(b, wire.OpBinary, big)
		b = wire.AppendClose(b, code, reason)
		for i, want := range []struct {
			opcode  byte
			payload []byte
		}{{1, payload}, {10, payload[:min(125, len(payload))]}, {2, big}, {8, nil}} {
			opcode, got, rest, err := readFrame(b)
			if err != nil {
				t.Fatalf("frame %d: %v", i, err)
			}
			if opcode != want.opcode || want.payload != nil && !bytes.Equal(got, want.payload) {
				t.Fatalf("frame %d: opcode %d, %q", i, opcode, got)
			}
			if opcode == 8 {
				sent := int(binary.BigEndian.Uint16(got))
				legal := sent >= 1000 && sent <= 1014 && sent != 1004 && sent != 1005 && sent != 1006 || sent >= 3000 && sent < 5000
				if !legal || !utf8.Valid(got[2:]) || len(got) > 125 {
					t.Fatalf("close frame %q", got)
				}
				if utf8.ValidString(reason) && !strings.HasPrefix(reason, string(got[2:])) {
					t.Fatalf("reason %q of %q", got[2:], reason)
				}
			}
			b = rest
		}
		if len(b) != 0 {
			t.Fatalf("%d bytes left", len(b))
		}
	})
}

func TestDeflatedHeader(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 125, 126, 1 << 16} {
		plain, deflated := wire.AppendFrameHeader([]byte("x"), wire.OpText, n), wire.AppendDeflatedHeader([]byte("x"), wire.OpText, n)
		if deflated[1] != plain[1]|0x40 || !bytes.Equal(deflated[2:], plain[2:]) || deflated[0] != 'x' {
			t.Errorf("%d bytes: % x", n, deflated)
		}
	}
	for first, want := range map[byte]bool{
		0xC1: true, 0x41: true, 0xC2: true, // whole and first frames of messages
		0x81: false, 0xC0: false, 0xC8: false, 0xC9: false, 0xE1: false, 0xF1: false,
	} {
		head := []byte{first, 0x80}
		if got := wire.TakeDeflated(head); got != want || want && head[0] != first&^0x40 || !want && head[0] != first {
			t.Errorf("%#x: %v, and it became %#x", first, got, head[0])
		}
	}
}
