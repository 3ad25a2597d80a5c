package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"
	"time"
)

func TestStampIsFoundWhereItWasPut(t *testing.T) {
	t.Parallel()
	want := stamp{at: 1795245600123456789, slot: 4242, n: 7_000_000_000}
	value := appendRecord(nil, want, 200)
	if len(value) != 200 || !json.Valid(value) {
		t.Errorf("the record has %d bytes, or is no JSON: %s", len(value), value)
	}
	var f finder
	for _, prefix := range []string{"", `{"type":"event","data":`, `{"type":"event","offset":99,"data":`, ""} {
		b := append([]byte(prefix), value...)
		got, end := f.find(b)
		if end == 0 || got != want || !bytes.HasPrefix(b[end:], []byte(`,"pad"`)) {
			t.Errorf("behind %q: got %+v, ends at %d", prefix, got, end)
		}
	}
	for _, bad := range []string{
		"", `{"at":17}`, `{"at":"1795245600123456789"}`,
		`{"at":1795245600123456789,"s":1000042,"n":100000000`,
		`{"at":17952456001234567x9,"s":1000042,"n":1000000007}`,
		`{"at":1795245600123456789,"s":0000042,"n":1000000007}`,
		`{"at":1795245600123456789,"t":1000042,"n":1000000007}`,
	} {
		if _, end := f.find([]byte(bad)); end != 0 {
			t.Errorf("%q has a stamp", bad)
		}
	}
}

func TestTrackTellsNewFromOld(t *testing.T) {
	t.Parallel()
	type step struct {
		slot        int32
		n           int64
		fresh, ours bool
	}
	for name, test := range map[string]struct {
		track *track
		steps []step
	}{
		"all keys of one stream": {newTrack(0, 1, 3, -1), []step{
			{0, 5, true, true}, {0, 5, false, true}, {0, 4, false, true}, {0, 6, true, true}, {2, 0, true, true}, {3, 0, false, false},
		}},
		"one of two streams": {newTrack(1, 2, 4, -1), []step{
			{1, 0, true, true}, {3, 0, true, true}, {0, 0, false, false}, {5, 0, false, false}, {3, 0, false, true},
		}},
		"one key": {newTrack(0, 1, 100, 42), []step{
			{42, 0, true, true}, {42, 1, true, true}, {42, 1, false, true}, {41, 0, false, false}, {43, 0, false, false},
		}},
	} {
		for i, s := range test.steps {
			if fresh, ours := test.track.seen(stamp{slot: s.slot, n: s.n}); fresh != s.fresh || ours != s.ours {
				t.Errorf("%s, step %d: fresh %v, ours %v", name, i, fresh, ours)
			}
		}
	}
}

func TestResumeIsWhereItWas(t *testing.T) {
	t.Parallel()
	var r resume
	if got := r.from(); got != "" {
		t.Errorf("without a cursor: %q", got)
	}
	r.message([]byte(`{"type":"subscribed","cursor":"v1.abc"}`))
	r.event([]byte(`{"type":"event","stream":"s","partition":2,"offset":9,"data":{}}`))
	r.event([]byte(`{"type":"event","stream":"s","partition":0,"offset":41,"data":{}}`))
	r.event([]byte(`{"type":"event","stream":"s","partition":2,"offset":8,"data":{}}`))
	r.event([]byte(`{"type":"event","stream":"s","partition":,"offset":800,"data":{}}`))
	if got, want := r.from(), "v1.abc~0:42,2:10"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestFramesCutAnywhere(t *testing.T) {
	t.Parallel()
	for _, size := range []int{0, 1, 125, 126, 65535, 65536} {
		payload := bytes.Repeat([]byte("x"), size)
		// A client's frame without its mask is a server's frame.
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
	if got, err := parseKiB([]byte("Name:\tx\nVmRSS:\t    1024 kB\n"), "VmRSS:"); err != nil || got != 1<<20 {
		t.Errorf("resident %d, %v", got, err)
	}
	if got, err := parseBusy("cpu  100 20 30 4000 500 6 7 8 90 10\ncpu0 1\n"); err != nil || got != 1710*time.Millisecond {
		t.Errorf("busy %v, %v", got, err)
	}
	for _, bad := range []string{"", "1 (x) S 1", "1 (x) S 1 2 3 4 5 6 7 8 9 10 x y 1"} {
		if _, err := parseBusy(bad); err == nil {
			t.Errorf("%q: no error", bad)
		}
		if _, err := parseCPUTime([]byte(bad)); err == nil {
			t.Errorf("%q: no error", bad)
		}
		if _, err := parseKiB([]byte(bad), "VmRSS:"); err == nil {
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
	compressed, err := l.encode()
	if err != nil {
		t.Fatal(err)
	}
	l = newLatency()
	if err := l.merge(compressed); err != nil {
		t.Fatal(err)
	}
	got := l.summary()
	if got.Count != 5 || got.P50 != 0.001 || got.Max < 119_000 {
		t.Errorf("got %+v", got)
	}
}
