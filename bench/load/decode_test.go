package main

import (
	"bytes"
	"errors"
	"math"
	"strings"
	"testing"
	"time"
)

func TestStampIsFoundWhereItWasPut(t *testing.T) {
	t.Parallel()
	const at = 1795245600123456789
	value := appendRecord(nil, at, 7, 200)
	if len(value) != 200 {
		t.Errorf("the record has %d bytes", len(value))
	}
	var f finder
	for _, prefix := range []string{"", `{"type":"event","data":`, `{"type":"event","offset":99,"data":`, ""} {
		got, ok := f.find(append([]byte(prefix), value...))
		if !ok || got != at {
			t.Errorf("behind %q: got %d, %v", prefix, got, ok)
		}
	}
	for _, bad := range []string{"", `{"at":17}`, `{"at":"1795245600123456789"}`, `{"at":179524560012345678x}`} {
		if _, ok := f.find([]byte(bad)); ok {
			t.Errorf("%q has a time", bad)
		}
	}
}

func TestFramesCutAnywhere(t *testing.T) {
	t.Parallel()
	for _, size := range []int{0, 1, 125, 126, 65535, 65536} {
		payload := bytes.Repeat([]byte("x"), size)
		// A client's frame without its mask is a server's.
		frame := appendFrame(nil, opText, payload)
		head := len(frame) - size - 4
		frame[1] &^= 0x80
		frame = append(frame[:head], payload...)
		for _, cut := range []int{0, 1, head - 1, len(frame) - 1} {
			if cut >= len(frame) {
				continue
			}
			if _, _, used, err := nextFrame(frame[:cut]); used != 0 || err != nil {
				t.Errorf("%d bytes cut at %d: used %d, %v", size, cut, used, err)
			}
		}
		op, got, used, err := nextFrame(append(frame, 0x81))
		if op != opText || !bytes.Equal(got, payload) || used != len(frame) || err != nil {
			t.Errorf("%d bytes: op %d, %d bytes of payload, used %d, %v", size, op, len(got), used, err)
		}
	}
}

func TestFramesRefused(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		frame []byte
		want  error
	}{
		"masked":       {appendFrame(nil, opText, []byte("x")), errFrameMasked},
		"fragment":     {[]byte{0x01, 0x01, 'x'}, errFragmented},
		"continuation": {[]byte{0x80, 0x01, 'x'}, errFragmented},
		"huge":         {[]byte{0x81, 127, 0xff, 0, 0, 0, 0, 0, 0, 0}, errFrameTooLarge},
	} {
		if _, _, _, err := nextFrame(test.frame); !errors.Is(err, test.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestChunksCutAnywhere(t *testing.T) {
	t.Parallel()
	const stream, want = "5\r\ndata:\r\nA;x=y\r\n hello\n\nda\r\n0\r\n\r\n", "data: hello\n\nda"
	for cut := range len(stream) {
		var c chunks
		got, err := c.decode(nil, []byte(stream[:cut]))
		if err != nil {
			t.Fatal(err)
		}
		if got, err = c.decode(got, []byte(stream[cut:])); err != nil || string(got) != want {
			t.Errorf("cut at %d: %q, %v", cut, got, err)
		}
	}
	for _, bad := range []string{"zz\r\n", "-1\r\n", "1\r\nxy\r\n", strings.Repeat("1", 300)} {
		var c chunks
		if _, err := c.decode(nil, []byte(bad)); !errors.Is(err, errChunk) {
			t.Errorf("%.10q: %v", bad, err)
		}
	}
}

func FuzzFrames(f *testing.F) {
	f.Add(appendFrame(nil, opPing, []byte("x")))
	f.Add([]byte{0x81, 126, 0, 200})
	f.Fuzz(func(t *testing.T, b []byte) {
		_, payload, used, err := nextFrame(b)
		if used < 0 || used > len(b) || len(payload) > used || err != nil && used != 0 {
			t.Errorf("%x: %d bytes of payload, used %d, %v", b, len(payload), used, err)
		}
	})
}

func TestProcess(t *testing.T) {
	t.Parallel()
	stat := "42 (a) (b c) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0 20"
	if got, err := parseCPUTime([]byte(stat)); err != nil || got != 2*time.Second {
		t.Errorf("processor time %v, %v", got, err)
	}
	if got, err := parseResident([]byte("Name:\tx\nVmRSS:\t    1024 kB\n")); err != nil || got != 1<<20 {
		t.Errorf("resident %d, %v", got, err)
	}
	for _, bad := range []string{"", "1 (x) S 1", "1 (x) S 1 2 3 4 5 6 7 8 9 10 x y 1"} {
		if _, err := parseCPUTime([]byte(bad)); err == nil {
			t.Errorf("%q: no error", bad)
		}
		if _, err := parseResident([]byte(bad)); err == nil {
			t.Errorf("%q: no error", bad)
		}
	}
}

func TestLatencyBounds(t *testing.T) {
	t.Parallel()
	l := newLatency()
	for _, nanos := range []int64{-5, 0, 1, 2_000_000, math.MaxInt64} {
		l.record(nanos)
	}
	got := l.summary()
	if got.Count != 5 || got.P50 != 0.001 || got.Max < 119_000 {
		t.Errorf("got %+v", got)
	}
}
