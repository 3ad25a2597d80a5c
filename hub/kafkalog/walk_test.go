package kafkalog

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"github.com/twmb/franz-go/pkg/kmsg"

	"sluice/hub/record"
)

type testBatch struct {
	base       int64
	attributes int16
	producer   int64
	values     []string
	abort      bool // of a control batch
	data       []byte
}

func newTestBatch(base int64, values ...string) []byte {
	return testBatch{base: base, producer: -1, values: values}.bytes()
}

func (b testBatch) records() []byte {
	var out []byte
	for i, value := range b.values {
		r := kmsg.NewRecord()
		r.OffsetDelta = int32(i)
		r.TimestampDelta64 = int64(i)
		r.Key, r.Value = fmt.Appendf(nil, "k%d", i), []byte(value)
		r.Headers = []kmsg.Header{{Key: "h", Value: []byte("v")}, {Key: "null"}}
		if b.attributes&attrControl != 0 {
			r.Key, r.Headers = []byte{0, 0, 0, 1}, nil
			if b.abort {
				r.Key[3] = 0
			}
		}
		out = appendTestRecord(out, r)
	}
	return out
}

// appendTestRecord appends a record, prefixed with its length.
func appendTestRecord(dst []byte, r kmsg.Record) []byte {
	r.Length = int32(len(r.AppendTo(nil)) - 1)
	body := r.AppendTo(nil)
	// The length is a varint of one byte only in the first attempt.
	_, n := binary.Varint(body)
	r.Length = int32(len(body) - n)
	return r.AppendTo(dst)
}

func (b testBatch) bytes() []byte {
	data := b.data
	if data == nil {
		data = b.records()
	}
	rb := kmsg.RecordBatch{
		FirstOffset: b.base, PartitionLeaderEpoch: 4, Magic: 2, Attributes: b.attributes,
		LastOffsetDelta: int32(len(b.values)) - 1, FirstTimestamp: 1000, MaxTimestamp: 9000,
		ProducerID: b.producer, NumRecords: int32(len(b.values)), Records: data,
	}
	rb.Length = int32(len(rb.AppendTo(nil)) - 12)
	raw := rb.AppendTo(nil)
	seal(raw)
	return raw
}

// seal sets the checksum of a batch.
func seal(raw []byte) {
	binary.BigEndian.PutUint32(raw[17:], crc32.Checksum(raw[21:], castagnoli))
}

// walked walks over records from an offset and describes what it found, in a form
// that is easy to compare: values, gaps, and at the end where reading continues.
func walked(records []byte, from int64, limit int, aborted ...abortedTransaction) string {
	var w walk
	in := newInflater(limit)
	w.begin(&fetchedPartition{records: records, start: 0, stable: 1000, aborted: aborted}, record.PartitionOffset{Offset: from, Epoch: -1})
	var out []string
	for len(w.rest) > 0 {
		in.reset()
		w.next(in, 1<<20)
		if w.gap.Reason != "" {
			out = append(out, fmt.Sprintf("%s[%d,%d)", w.gap.Reason, w.gap.From, w.gap.To))
		}
		n := 0
		w.each(func(r *record.Record) bool {
			n++
			out = append(out, fmt.Sprintf("%d:%s", r.Offset, r.Value))
			return true
		})
		if n != w.visible {
			out = append(out, fmt.Sprintf("visible %d, not %d", n, w.visible))
		}
	}
	return fmt.Sprintf("%s then %d/%d", strings.Join(out, " "), w.position.Offset, w.position.Epoch)
}

func change(raw []byte, at int, value byte) []byte {
	out := slices.Clone(raw)
	out[at] = value
	return out
}

func resealed(raw []byte, at int, value byte) []byte {
	out := change(raw, at, value)
	seal(out)
	return out
}

func TestWalk(t *testing.T) {
	t.Parallel()
	ab := newTestBatch(0, "a", "b")
	cd := newTestBatch(2, "c", "d")
	ef := newTestBatch(7, "e", "f") // after a hole
	tx := func(base, producer int64, values ...string) []byte {
		return testBatch{base: base, producer: producer, attributes: attrTransactional, values: values}.bytes()
	}
	end := func(base, producer int64, abort bool) []byte {
		return testBatch{
			base: base, producer: producer, attributes: attrTransactional | attrControl, values: []string{"!"}, abort: abort,
		}.bytes()
	}
	for name, test := range map[string]struct {
		records []byte
		from    int64
		aborted []abortedTransaction
		limit   int
		want    string
	}{
		"nothing":              {nil, 0, nil, 0, " then 0/-1"},
		"batches":              {slices.Concat(ab, cd, ef), 0, nil, 0, "0:a 1:b 2:c 3:d 7:e 8:f then 9/4"},
		"from within":          {slices.Concat(ab, cd), 1, nil, 0, "1:b 2:c 3:d then 4/4"},
		"all below":            {slices.Concat(ab), 2, nil, 0, " then 2/-1"},
		"cut off":              {slices.Concat(ab, cd[:40]), 0, nil, 0, "0:a 1:b then 2/4"},
		"cut off early":        {slices.Concat(ab, cd[:9]), 0, nil, 0, "0:a 1:b then 2/4"},
		"checksum":             {slices.Concat(ab, change(cd, 70, 99), ef), 0, nil, 0, "0:a 1:b unreadable[2,7) 7:e 8:f then 9/4"},
		"last checksum":        {slices.Concat(ab, change(cd, 70, 99)), 0, nil, 0, "0:a 1:b unreadable[2,4) then 4/-1"},
		"two in a row":         {slices.Concat(change(ab, 70, 99), change(cd, 70, 99), ef), 0, nil, 0, "unreadable[0,7) 7:e 8:f then 9/4"},
		"from within a bad":    {slices.Concat(change(ab, 70, 99), cd), 1, nil, 0, "unreadable[1,2) 2:c 3:d then 4/4"},
		"unknown magic":        {slices.Concat(change(ab, 16, 3), cd), 0, nil, 0, "unreadable[0,2) 2:c 3:d then 4/4"},
		"unknown codec":        {slices.Concat(resealed(ab, 22, 7), cd), 0, nil, 0, "unreadable[0,2) 2:c 3:d then 4/4"},
		"count too high":       {slices.Concat(resealed(ab, 60, 3), cd), 0, nil, 0, "unreadable[0,2) 2:c 3:d then 4/4"},
		"count too low":        {slices.Concat(resealed(ab, 60, 1), cd), 0, nil, 0, "unreadable[0,2) 2:c 3:d then 4/4"},
		"negative length":      {slices.Concat(ab, change(cd, 8, 0xff)), 0, nil, 0, "0:a 1:b unreadable[2,4) then 4/-1"},
		"negative last delta":  {slices.Concat(resealed(ab, 23, 0xff), cd), 0, nil, 0, "unreadable[0,2) 2:c 3:d then 4/4"},
		"offset beyond JSON":   {slices.Concat(change(ab, 1, 0x20), cd), 0, nil, 0, "unreadable[0,2) 2:c 3:d then 4/4"},
		"committed":            {slices.Concat(tx(0, 9, "a"), end(1, 9, false), cd), 0, nil, 0, "0:a 2:c 3:d then 4/4"},
		"control last":         {slices.Concat(tx(0, 9, "a"), end(1, 9, false)), 0, nil, 0, "0:a then 2/4"},
		"aborted":              {slices.Concat(tx(0, 9, "a"), end(1, 9, true), cd), 0, []abortedTransaction{{9, 0}}, 0, "2:c 3:d then 4/4"},
		"aborted, then not":    {slices.Concat(tx(0, 9, "a"), end(1, 9, true), tx(2, 9, "b")), 0, []abortedTransaction{{9, 0}}, 0, "2:b then 3/4"},
		"aborted from within":  {slices.Concat(tx(0, 9, "a", "b"), end(2, 9, true), tx(3, 9, "c")), 1, []abortedTransaction{{9, 0}}, 0, "3:c then 4/4"},
		"another's":            {slices.Concat(tx(0, 9, "a"), tx(1, 8, "b"), end(2, 9, true), end(3, 8, false)), 0, []abortedTransaction{{9, 0}}, 0, "1:b then 4/4"},
		"aborted out of order": {slices.Concat(tx(0, 9, "a"), tx(1, 8, "b")), 0, []abortedTransaction{{8, 1}, {9, 0}}, 0, " then 2/4"},
		"too large": {
			slices.Concat(testBatch{base: 0, attributes: codecGzip, values: []string{"a", "b"}, data: zipped(make([]byte, 1<<16))}.bytes(), cd),
			0, nil, 1 << 12, "too_large[0,2) 2:c 3:d then 4/4",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if test.limit == 0 {
				test.limit = 1 << 20
			}
			if got := walked(test.records, test.from, test.limit, test.aborted...); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

func TestWalkRecord(t *testing.T) {
	t.Parallel()
	raw := testBatch{base: 5, attributes: 0, values: []string{"x", ""}}.bytes()
	var w walk
	in := newInflater(1 << 20)
	w.begin(&fetchedPartition{records: raw, stable: 10}, record.PartitionOffset{Partition: 3, Offset: 0})
	w.next(in, 1<<20)
	var got []string
	w.each(func(r *record.Record) bool {
		got = append(got, fmt.Sprintf("%d %d %d %d %s %q %v=%q %s=%v", r.Partition, r.Epoch, r.Offset, r.Timestamp,
			r.Key, r.Value, string(r.Headers[0].Name), r.Headers[0].Value, r.Headers[1].Name, r.Headers[1].Value == nil))
		return true
	})
	want := []string{`3 4 5 1000 k0 "x" h="v" null=true`, `3 4 6 1001 k1 "" h="v" null=true`}
	if !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	stamped := testBatch{base: 5, attributes: attrLogAppendTime, values: []string{"x"}}.bytes()
	w.begin(&fetchedPartition{records: stamped, stable: 10}, record.PartitionOffset{})
	w.next(in, 1<<20)
	w.each(func(r *record.Record) bool {
		if r.Timestamp != 9000 {
			t.Errorf("log append time %d", r.Timestamp)
		}
		return false
	})
}

func zipped(b []byte) []byte {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, _ = w.Write(b)
	_ = w.Close()
	return out.Bytes()
}

// compress holds each codec, and snappy in both framings.
var compress = map[string]struct {
	codec int16
	pack  func([]byte) []byte
}{
	"none":   {codecNone, func(b []byte) []byte { return b }},
	"gzip":   {codecGzip, zipped},
	"snappy": {codecSnappy, func(b []byte) []byte { return s2.EncodeSnappy(nil, b) }},
	"xerial": {codecSnappy, func(b []byte) []byte {
		out := append(slices.Clone(xerial), 0, 0, 0, 1, 0, 0, 0, 1)
		for chunk := range slices.Chunk(b, 1000) {
			block := s2.EncodeSnappy(nil, chunk)
			out = binary.BigEndian.AppendUint32(out, uint32(len(block)))
			out = append(out, block...)
		}
		return out
	}},
	"lz4": {codecLZ4, func(b []byte) []byte {
		var out bytes.Buffer
		w := lz4.NewWriter(&out)
		_, _ = w.Write(b)
		_ = w.Close()
		return out.Bytes()
	}},
	"zstd": {codecZstd, func(b []byte) []byte {
		w, _ := zstd.NewWriter(nil)
		return w.EncodeAll(b, nil)
	}},
	"zstd stream": {codecZstd, func(b []byte) []byte {
		var out bytes.Buffer
		w, _ := zstd.NewWriter(&out)
		_, _ = w.Write(b)
		_ = w.Flush()
		_ = w.Close()
		return out.Bytes()
	}},
}

func TestInflate(t *testing.T) {
	t.Parallel()
	for name, c := range compress {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := newInflater(200_000)
			var compressed, plain [][]byte
			for n := range 20 {
				b := bytes.Repeat(fmt.Appendf(nil, "%d,", n), 1+n*n*100)
				plain, compressed = append(plain, b), append(compressed, c.pack(b))
			}
			for range 3 {
				in.reset()
				var got [][]byte
				for i := range compressed {
					out, err := in.inflate(int(c.codec), compressed[i])
					if err != nil {
						t.Fatal(err)
					}
					got = append(got, out)
				}
				for i := range got { // earlier results must still be intact
					if !bytes.Equal(got[i], plain[i]) {
						t.Fatalf("block %d differs", i)
					}
				}
			}
			if c.codec == codecNone {
				return
			}
			if _, err := in.inflate(int(c.codec), c.pack(make([]byte, 200_001))); !errors.Is(err, errInflatesTooLarge) {
				t.Errorf("one byte over the limit: %v", err)
			}
			if _, err := in.inflate(int(c.codec), c.pack(plain[5])[:20]); err == nil {
				t.Error("a part of a block inflates")
			}
		})
	}
}

func TestWalkAllocatesNothingPerRecord(t *testing.T) {
	for _, name := range []string{"none", "snappy", "lz4", "zstd"} {
		c := compress[name]
		b := testBatch{attributes: c.codec, values: slices.Repeat([]string{"value of a record"}, 1000)}
		b.data = c.pack(b.records())
		p := &fetchedPartition{records: b.bytes(), stable: 5000}
		var w walk
		in := newInflater(1 << 20)
		n := 0
		allocs := testing.AllocsPerRun(10, func() {
			w.begin(p, record.PartitionOffset{})
			in.reset()
			w.next(in, 1<<20)
			w.each(func(*record.Record) bool { n++; return true })
		})
		// The memory for a batch comes from pools, which the race detector
		// empties at random.
		if n == 0 || allocs > 10 {
			t.Errorf("%s: %v allocations for a batch of 1000, %d records", name, allocs, n)
		}
	}
}

func FuzzWalk(f *testing.F) {
	f.Add(newTestBatch(0, "a", "b"), int64(0))
	f.Add(testBatch{attributes: attrTransactional | attrControl, values: []string{"x"}, abort: true}.bytes(), int64(0))
	for name := range compress {
		c := compress[name]
		b := testBatch{attributes: c.codec, values: []string{"a", "b", "c"}}
		b.data = c.pack(b.records())
		f.Add(b.bytes(), int64(1))
	}
	f.Add(messageSet(f, 1, "gzip"), int64(0))
	f.Fuzz(func(t *testing.T, raw []byte, from int64) {
		const limit = 1 << 16
		from &= maxOffset - 1
		// A checksum hides almost everything else: try with a correct one too.
		right := slices.Clone(raw)
		if len(right) > batchHeader {
			binary.BigEndian.PutUint32(right[8:], uint32(len(right)-12))
			seal(right)
		}
		in := newInflater(limit)
		for _, records := range [][]byte{raw, right} {
			var w walk
			aborted := []abortedTransaction{{0, 0}, {1, 3}}
			w.begin(&fetchedPartition{records: records, stable: -1, aborted: aborted}, record.PartitionOffset{Offset: from})
			for rounds := 0; len(w.rest) > 0; rounds++ {
				if rounds > len(records) {
					t.Fatal("the walk does not end")
				}
				in.reset()
				before := w.position
				w.next(in, 1<<20)
				if cap(in.arena) > 4*limit+64<<10 {
					t.Fatalf("the arena is %d bytes", cap(in.arena))
				}
				if w.position.Offset < before.Offset {
					t.Fatalf("the offset went back from %d to %d", before.Offset, w.position.Offset)
				}
				if w.gap.Reason != "" && w.gap.From >= w.gap.To {
					t.Fatalf("gap %v", w.gap)
				}
				n, last := 0, from-1
				w.each(func(r *record.Record) bool {
					n++
					if r.Offset <= last || r.Offset >= w.position.Offset {
						t.Fatalf("offset %d after %d, next is %d", r.Offset, last, w.position.Offset)
					}
					last = r.Offset
					return true
				})
				if n != w.visible {
					t.Fatalf("%d records, %d visible", n, w.visible)
				}
			}
		}
	})
}

func FuzzAnswer(f *testing.F) {
	resp := kmsg.NewPtrFetchResponse()
	topic := kmsg.NewFetchResponseTopic()
	p := kmsg.NewFetchResponseTopicPartition()
	p.RecordBatches = newTestBatch(0, "a")
	p.AbortedTransactions = append(p.AbortedTransactions, kmsg.NewFetchResponseTopicPartitionAbortedTransaction())
	p.DivergingEpoch.Epoch = 3
	topic.Topic, topic.Partitions = "a", append(topic.Partitions, p)
	resp.Topics = append(resp.Topics, topic)
	for version := fetchFirst; version <= fetchByID; version++ {
		resp.SetVersion(version)
		f.Add(resp.AppendTo(nil), version)
	}
	f.Fuzz(func(t *testing.T, body []byte, version int16) {
		if version < fetchFirst || version > fetchByID {
			return
		}
		var a answer
		err := a.parse(body, version)
		want := kmsg.NewPtrFetchResponse()
		want.SetVersion(version)
		if err != nil || want.ReadFrom(body) != nil {
			return
		}
		n := 0
		for _, topic := range want.Topics {
			for _, p := range topic.Partitions {
				got := a.partitions[n]
				if got.partition != p.Partition || got.code != p.ErrorCode || got.stable != p.LastStableOffset ||
					len(got.aborted) != len(p.AbortedTransactions) || !bytes.Equal(got.records, p.RecordBatches) {
					t.Fatalf("partition %d: got %+v, want %+v", n, got, p)
				}
				n++
			}
		}
		if n != len(a.partitions) {
			t.Fatalf("%d partitions, want %d", len(a.partitions), n)
		}
	})
}

func BenchmarkWalk(b *testing.B) {
	value := strings.Repeat("0123456789", 20)
	for _, name := range []string{"none", "snappy", "lz4", "zstd", "gzip"} {
		c := compress[name]
		batch := testBatch{attributes: c.codec, values: slices.Repeat([]string{value}, 500)}
		batch.data = c.pack(batch.records())
		raw := batch.bytes()
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(value) * 500))
			b.ReportAllocs()
			var w walk
			in := newInflater(1 << 20)
			for b.Loop() {
				w.begin(&fetchedPartition{records: raw, stable: 5000}, record.PartitionOffset{})
				in.reset()
				w.next(in, 1<<20)
				w.each(func(*record.Record) bool { return true })
			}
		})
	}
}
