package record_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"sluice/hub/record"
)

func drawCursor(t *rapid.T) record.Cursor {
	c := record.Cursor{At: time.UnixMilli(rapid.Int64Range(0, 1<<42).Draw(t, "at"))}
	names := rapid.SliceOfNDistinct(rapid.StringMatching(`[a-z][a-z0-9._-]{0,20}`), 1, 4, rapid.ID[string]).Draw(t, "streams")
	for _, name := range names {
		s := record.StreamPosition{Stream: name}
		if rapid.Bool().Draw(t, "has id") {
			s.Position.Topic[3] = rapid.Byte().Draw(t, "id") | 1
		}
		partition := int32(-1)
		for range rapid.IntRange(0, 20).Draw(t, "partitions") {
			partition += 1 + rapid.Int32Range(0, 3).Draw(t, "gap")
			s.Position.Offsets = append(s.Position.Offsets, record.PartitionOffset{
				Partition: partition,
				Offset:    rapid.Int64Range(0, record.MaxOffset).Draw(t, "offset"),
				Epoch:     rapid.Int32Range(-1, 1000).Draw(t, "epoch"),
			})
		}
		if rapid.Bool().Draw(t, "has lease") {
			s.Lease = rapid.Int64Range(1, record.MaxOffset).Draw(t, "lease")
		}
		c.Streams = append(c.Streams, s)
	}
	return c
}

func sameCursor(a, b record.Cursor) bool {
	if !a.At.Equal(b.At) || len(a.Streams) != len(b.Streams) {
		return false
	}
	for i := range a.Streams {
		x, y := a.Streams[i], b.Streams[i]
		if x.Stream != y.Stream || x.Lease != y.Lease || x.Position.Topic != y.Position.Topic || len(x.Position.Offsets) != len(y.Position.Offsets) {
			return false
		}
		for k := range x.Position.Offsets {
			if x.Position.Offsets[k] != y.Position.Offsets[k] {
				return false
			}
		}
	}
	return true
}

func TestCursorsKeepPositions(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		c := drawCursor(t)
		got, err := record.ParseCursor(c.String())
		if err != nil || !sameCursor(got, c) {
			t.Fatalf("%v became %v: %v", c, got, err)
		}
	})
}

// TestCursorTextStaysAsItIs: instances of different versions run at the same
// time, and clients keep cursors for days.
func TestCursorTextStaysAsItIs(t *testing.T) {
	t.Parallel()
	want := record.Cursor{At: time.UnixMilli(1795245600123), Streams: []record.StreamPosition{
		{Stream: "orders", Position: record.Position{Topic: record.TopicID{1, 2, 3, 15: 16}, Offsets: []record.PartitionOffset{
			{Partition: 0, Offset: 118273, Epoch: 3}, {Partition: 5, Offset: record.MaxOffset, Epoch: -1},
		}}},
		{Stream: "news"},
	}}
	const text = "v1.-9rn5580AgZvcmRlcnMBAQIDAAAAAAAAAAAAAAAAEAIAgZwHBgT_________DwcEbmV3cwAA0Pu-PQ"
	if got := want.String(); got != text {
		t.Errorf("it is written as %s", got)
	}
	if got, err := record.ParseCursor(text); err != nil || !sameCursor(got, want) {
		t.Errorf("it is read as %+v (%v)", got, err)
	}
}

// TestCursorOfALeaseStaysAsItIs: a version that knows no leases reads the one of a cursor as a
// place of a partition that no topic has, with nothing before it and a known epoch.
func TestCursorOfALeaseStaysAsItIs(t *testing.T) {
	t.Parallel()
	place := record.PartitionOffset{Partition: 1<<30 + 835_962, Offset: 0, Epoch: 1_106_541_696}
	want := record.Cursor{At: time.UnixMilli(1795245600123), Streams: []record.StreamPosition{{
		Stream: "orders", Lease: int64(835_962)<<31 | 1_106_541_696,
		Position: record.Position{Topic: record.TopicID{1}, Offsets: []record.PartitionOffset{{Partition: 0, Offset: 118273, Epoch: 3}}},
	}}}
	before := want
	before.Streams = []record.StreamPosition{{
		Stream: "orders", Position: record.Position{Topic: record.TopicID{1}, Offsets: []record.PartitionOffset{want.Streams[0].Position.Offsets[0], place}},
	}}
	if got := want.String(); got != before.String() {
		t.Errorf("it is written as %s, want %s", got, before)
	}
	got, err := record.ParseCursor(want.String() + "~0:118274")
	if at, _ := got.Stream("orders"); err != nil || at.Lease != want.Streams[0].Lease || len(at.Position.Offsets) != 1 || at.Position.Offset(0, 0) != 118274 {
		t.Errorf("it is read as %+v (%v)", got, err)
	}
}

// TestDamagedCursorIsNeverAnotherPosition: a changed character, or a missing
// end, is detected.
func TestDamagedCursorIsNeverAnotherPosition(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := []byte(drawCursor(t).String())
		i := rapid.IntRange(0, len(text)-1).Draw(t, "at")
		if rapid.Bool().Draw(t, "cut") {
			text = text[:i]
		} else {
			const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
			to := alphabet[rapid.IntRange(0, len(alphabet)-1).Draw(t, "to")]
			if to == text[i] {
				return
			}
			text[i] = to
		}
		if c, err := record.ParseCursor(string(text)); !errors.Is(err, record.ErrBadCursor) {
			t.Fatalf("%s is %v, %v", text, c, err)
		}
	})
}

func TestCursorWithWhatWasSeen(t *testing.T) {
	t.Parallel()
	one := record.Cursor{At: time.UnixMilli(1), Streams: []record.StreamPosition{{
		Stream: "orders", Position: record.Position{Offsets: []record.PartitionOffset{{Partition: 0, Offset: 10, Epoch: 3}, {Partition: 2, Offset: 5, Epoch: 3}}},
	}}}
	two := one
	two.Streams = append(two.Streams[:1:1], record.StreamPosition{Stream: "prices"})
	for _, c := range []struct {
		text                string
		zero, first, second int64 // offsets of partitions 0 to 2 of orders, -1 for none
	}{
		{one.String() + "~0:11", 11, -1, 5},
		{one.String() + "~0:9", 10, -1, 5}, // never moves back
		{one.String() + "~2:118274,1:1", 10, 1, 118274},
		{two.String() + "~orders/1:7", 10, 7, 5},
		{two.String() + "~prices/0:4", 10, -1, 5},
	} {
		got, err := record.ParseCursor(c.text)
		if err != nil {
			t.Errorf("%s: %v", c.text, err)
			continue
		}
		at, _ := got.Position("orders")
		if at.Offset(0, -1) != c.zero || at.Offset(1, -1) != c.first || at.Offset(2, -1) != c.second {
			t.Errorf("%s is %v", c.text, at)
		}
	}
	for _, seen := range []string{"~", "~0", "~0:", "~:1", "~0:-1", "~+0:1", "~0:1,", "~0:9007199254740994", "~2147483648:1", "~a/0:1", "~0:1~0:2"} {
		if _, err := record.ParseCursor(one.String() + seen); !errors.Is(err, record.ErrBadCursor) {
			t.Errorf("%s: %v", seen, err)
		}
	}
	if _, err := record.ParseCursor(two.String() + "~0:11"); !errors.Is(err, record.ErrBadCursor) {
		t.Error("with several streams, a partition alone is ambiguous")
	}
}

func FuzzParseCursor(f *testing.F) {
	f.Add(record.Cursor{At: time.UnixMilli(5), Streams: []record.StreamPosition{{Stream: "a", Position: record.Position{Offsets: []record.PartitionOffset{{Offset: 7}}}}}}.String())
	f.Add("v1.~0:1")
	f.Add(record.Cursor{Streams: []record.StreamPosition{{Stream: "a", Lease: 1 << 50, Position: record.Position{Offsets: []record.PartitionOffset{{Offset: 7}}}}}}.String() + "~1073741824:3")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := record.ParseCursor(text)
		if err != nil {
			if !errors.Is(err, record.ErrBadCursor) {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		again, err := record.ParseCursor(c.String())
		if err != nil || !sameCursor(again, c) {
			t.Fatalf("%q: %v became %v: %v", text, c, again, err)
		}
		if strings.ContainsAny(c.String(), "\r\n ") {
			t.Fatalf("%q", c.String())
		}
	})
}
