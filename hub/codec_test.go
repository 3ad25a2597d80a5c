package hub_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sluice/hub"
	"sluice/hub/event"
	"sluice/hub/hubtest"
	"sluice/hub/record"
)

// quoting is a codec whose blocks consist of the window to which they may refer and
// their content, so that a reader can compare the window with what it has received.
type quoting struct {
	frame
	slot, block, window int
	inWindow            bool
	shared, alone       *atomic.Int64
}

func (q quoting) CodecSlot() int      { return q.slot }
func (q quoting) Plain() event.Format { return q.frame }
func (q quoting) PlainInWindow() bool { return q.inWindow }
func (q quoting) Window() int         { return q.window }
func (q quoting) BlockBytes() int     { return q.block }

func (q quoting) AppendContent(dst, body []byte, _ bool) []byte {
	return append(append(dst, body...), '\n')
}

func (q quoting) AppendEnd(content []byte, cursor string) []byte {
	return append(append(content, cursor...), '\n')
}

func (q quoting) Pack(dst, window, content []byte) ([]byte, uint64) {
	if window == nil {
		q.alone.Add(1)
	} else {
		q.shared.Add(1)
	}
	dst = fmt.Appendf(dst, "%d\n", len(window))
	return append(append(dst, window...), content...), uint64(len(content))
}

// TestPackedOnce has subscriptions begin at different times. Each gets every record
// once, whatever it shares; a block that refers to earlier content is sent only to
// subscriptions that have received exactly that content; and no block is compressed
// twice.
func TestPackedOnce(t *testing.T) {
	t.Parallel()
	for name, q := range map[string]quoting{
		"an event a block":  {slot: 0, window: 300},
		"blocks":            {slot: 1, block: 1000, window: 700, inWindow: true},
		"without reference": {slot: 2, block: 1000, inWindow: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			q.shared, q.alone = new(atomic.Int64), new(atomic.Int64)
			topics := hubtest.New()
			topics.Create("orders.v1", 1)
			h := startHub(t, topics, func(s *hub.Stream) { s.LogBytes = 4 << 20 })
			const records, readers = 1000, 8
			topics.Append("orders.v1", numbered(0, 0))
			first := subscribe(t, h, hub.Request{Start: hub.Start{Kind: hub.StartEarliest}})
			first.collect(t, 1)
			var all sync.WaitGroup
			for n := range readers {
				all.Go(func() {
					for i := 0; i < n*20; i++ {
						topics.Append("orders.v1", numbered(0, i))
					}
				})
			}
			all.Wait()
			appended := 1 + 20*readers*(readers-1)/2
			for n := range readers {
				all.Go(func() {
					r := subscribe(t, h, hub.Request{Start: hub.Start{Kind: hub.StartEarliest}})
					defer r.Close()
					r.unpack(t, q, n%2 == 1, records)
				})
			}
			for ; appended < records; appended++ {
				topics.Append("orders.v1", numbered(0, appended))
			}
			all.Wait()
			first.Close()
			if shared := q.shared.Load(); shared == 0 || shared > records {
				t.Errorf("%d records were compressed %d times", records, shared)
			}
			if alone, shared := q.alone.Load(), q.shared.Load(); alone > shared || q.window > 0 && alone == 0 {
				t.Errorf("of %d blocks %d were compressed alone", shared, alone)
			}
		})
	}
}

// unpack reads a number of records, in order, and compares the windows of blocks
// with what the subscription has received.
func (r *reader) unpack(t *testing.T, q quoting, forgets bool, records int) {
	t.Helper()
	w := hub.Window{Forgets: forgets}
	var had []byte
	var b hub.Batch
	for next := 0; next < records; {
		b.Reset()
		more := r.NextCompressed(&b, q, &w, 500+rand.IntN(5000))
		compressed := b.Compressed
		for i, buf := range b.Bufs {
			for len(compressed) > 0 && compressed[0].Buf == i {
				block := buf[:compressed[0].Bytes]
				buf = buf[compressed[0].Bytes:]
				head, rest, _ := bytes.Cut(block, []byte("\n"))
				var window int
				if _, err := fmt.Sscan(string(head), &window); err != nil {
					t.Errorf("%q: %v", head, err)
					return
				}
				if forgets && window > 0 || window > len(had) || !bytes.Equal(had[len(had)-window:], rest[:window]) {
					t.Errorf("a block refers to %d bytes that its reader has not had", window)
					return
				}
				content := rest[window:]
				if len(content) != compressed[0].Content || uint64(len(content)) != compressed[0].Sum {
					t.Errorf("a block of %d bytes is said to have %d", len(content), compressed[0].Content)
				}
				had = append(had, content...)
				next = r.follows(t, content, next)
				compressed = compressed[1:]
			}
			if len(buf) > 0 {
				if q.inWindow {
					had = append(had, buf...)
				}
				next = r.follows(t, buf, next)
			}
		}
		if next < 0 {
			return
		}
		if !more && next < records {
			select {
			case <-r.bell:
			case <-time.After(time.Minute):
				t.Errorf("nothing came behind %d records", next)
				return
			}
		}
	}
}

// follows checks that events begin at the offset next, without gaps, and returns the
// offset after them, or -1 if they do not.
func (r *reader) follows(t *testing.T, events []byte, next int) int {
	t.Helper()
	for line := range bytes.Lines(events) {
		if line[0] != '{' {
			continue // a cursor
		}
		if next < 0 || !bytes.Contains(line, fmt.Appendf(nil, `"offset":%d,`, next)) {
			t.Errorf("%s came for offset %d", line, next)
			return -1
		}
		next++
	}
	return next
}

// TestPackingTakesTurns: however much there is for the first subscription to
// compress, others have their turns meanwhile, and what is not compressed yet is
// sent as plain text.
func TestPackingTakesTurns(t *testing.T) {
	t.Parallel()
	q := quoting{slot: 0, window: 300, shared: new(atomic.Int64), alone: new(atomic.Int64)}
	topics := hubtest.New()
	topics.Create("orders.v1", 1)
	h := startHub(t, topics, func(s *hub.Stream) { s.LogBytes = 16 << 20 })
	const records, most = 5000, 250 // somewhat more than 64 KiB
	keep := subscribe(t, h, hub.Request{})
	defer keep.Close()
	value := fmt.Appendf(nil, "%q", bytes.Repeat([]byte("x"), 300))
	for range records {
		topics.Append("orders.v1", record.Record{Key: []byte("k"), Value: value})
	}
	for got := 0; got < records; {
		n := len(keep.collect(t, 1000))
		if got += n; n == 0 {
			t.Fatalf("only %d records came", got)
		}
	}
	for _, from := range []int64{records - 10, 0} {
		at := keep.Position().Clone()
		at.Offsets[0].Offset = from
		r := subscribe(t, h, hub.Request{Start: hub.Start{Kind: hub.StartCursor, Position: at}})
		var w hub.Window
		for want := records - int(from); want > 0; {
			before := q.shared.Load()
			var b hub.Batch
			if more := r.NextCompressed(&b, q, &w, 16<<10); !more && want > b.Records {
				t.Fatalf("nothing more comes, and %d records are missing", want-b.Records)
			}
			want -= b.Records
			if made := q.shared.Load() - before; made > most {
				t.Fatalf("%d records were compressed at once, want at most %d", made, most)
			}
		}
		r.Close()
	}
	if n := q.shared.Load(); n < most {
		t.Errorf("only %d records were compressed", n)
	}
}
