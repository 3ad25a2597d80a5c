package registry_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/sr"

	"sluice/hub"
	"sluice/hub/hubtest"
	"sluice/hub/record"
	"sluice/hub/registry"
	"sluice/hub/upstream"
)

// framed is a value after the id of a schema.
func framed(id uint32, value string) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{0}, id), value...)
}

// seedValues registers an Avro schema that refers to another, a JSON Schema, one of Protobuf,
// and one that cannot be used.
func seedValues(f *fake) {
	f.SeedSchema("user", 1, 4, sr.Schema{Schema: `{"type":"record","name":"User","fields":[{"name":"n","type":"int"}]}`})
	f.SeedSchema("order", 1, 5, sr.Schema{
		Schema:     `{"type":"record","name":"Order","fields":[{"name":"by","type":"User"},{"name":"note","type":["null","string"]}]}`,
		References: []sr.SchemaReference{{Name: "User", Subject: "user", Version: 1}},
	})
	f.SeedSchema("json", 1, 6, jsonSchema(`{"type":"object"}`))
	f.SeedSchema("proto", 1, 7, sr.Schema{Schema: `syntax = "proto3"; message M { int32 n = 1; }`, Type: sr.TypeProtobuf})
	f.SeedSchema("odd", 1, 8, sr.Schema{Schema: `{"type":"record","name":"A","fields":[{"name":"x","type":"Missing"}]}`})
	f.SeedSchema("list", 1, 9, sr.Schema{Schema: `{"type":"array","items":"null"}`})
}

// bell rings when there is something to deliver.
type bell chan struct{}

func (b bell) Pump() {
	select {
	case b <- struct{}{}:
	default:
	}
}

// TestValuesAreShown: what subscribers are shown of values with ids, by the content of their
// stream, live and from before.
func TestValuesAreShown(t *testing.T) {
	t.Parallel()
	values := []struct{ stored, avro, auto string }{
		{string(framed(5, "\x0e\x02\x04hi")), `,"data":{"by":{"n":7},"note":"hi"}}`, ""},
		{string(framed(6, `{"a": 1}`)), `"unreadable"`, `,"data":{"a": 1}}`},
		{string(framed(7, "x")), `"unreadable"`, ""},
		{string(framed(8, "x")), `"unreadable"`, ""},
		{string(framed(99, "x")), `"unreadable"`, ""},
		{string(framed(0xffffffff, "x")), `"unreadable"`, ""},
		{string(framed(5, "\x0e\x02\x04h")), `"unreadable"`, ""},
		{string(framed(9, "\xfe\xff\xff\xff\xff\xff\xff\xff\x7f")), `"too_large"`, ""},
		{"", `,"data":null,"tombstone":true}`, ""},
		{`{"a":1}`, `"unreadable"`, ""},
		{string(framed(4, "\x01")), `,"data":{"n":-1}}`, ""},
		{string(framed(7, "\x00\x08\x09")), `"unreadable"`, `,"data":{"n":9}}`},
	}
	f := newFake(t)
	seedValues(f)
	r := open(t, f.Handler(), func(c *registry.Config) { c.Wait = time.Minute })
	run(t, r)
	topics := hubtest.New()
	topics.Create("t", 1)
	for _, v := range values {
		one := record.Record{Timestamp: time.Now().UnixMilli()}
		if v.stored != "" {
			one.Value = []byte(v.stored)
		}
		topics.Append("t", one)
	}
	kinds := map[string]registry.Kind{"avro": registry.Avro, "auto": registry.AnyKind}
	var streams []hub.Stream
	for _, name := range []string{"avro", "auto"} {
		source, decoding := r.Source(topics), r.Decoding(registry.AnyKind, 1)
		if r.Source(topics) != source || r.Decoding(registry.AnyKind, 1) != decoding {
			t.Error("another source or decoder for the same")
		}
		streams = append(streams, hub.Stream{
			Name: name, Topic: "t", Source: r.Source(topics), Content: "json", Decode: r.Decoding(kinds[name], 10_000), LogBytes: 1 << 20, RecordBytes: 10_000, Backfill: time.Hour,
		})
	}
	h, err := hub.New(hub.Config{
		Streams: streams, Shards: 1, Logger: slog.New(slog.DiscardHandler), Now: time.Now, Limits: hub.Limits{StartTimeout: time.Minute},
		Wake: func(shard int, f *hub.Feed) {
			go func() {
				for _, o := range f.Take(shard, nil) {
					o.Pump()
				}
			}()
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { _ = h.Run(ctx) })
	defer running.Wait()
	defer cancel()
	for _, name := range []string{"avro", "auto"} {
		rings := make(bell, 1)
		s, _, err := h.Subscribe(t.Context(), hub.Request{Stream: name, Start: hub.Start{Kind: hub.StartEarliest}, Replay: -1, Owner: rings})
		if err != nil {
			t.Fatal(err)
		}
		var lines []string
		for end := time.After(time.Minute); len(lines) < len(values); {
			s.Take(100, 1<<20, func(_ bool, body []byte) { lines = append(lines, string(body)) })
			if len(lines) >= len(values) {
				break
			}
			select {
			case <-rings:
			case <-end:
				t.Fatalf("%s: after a minute: %q", name, lines)
			}
		}
		s.Close()
		for i, v := range values {
			want := v.avro
			if name == "auto" && v.auto != "" {
				want = v.auto
			}
			if !strings.Contains(lines[i], want) || !strings.Contains(lines[i], fmt.Sprintf(`":%d,`, i)) {
				t.Errorf("%s, offset %d: %s, want %s", name, i, lines[i], want)
			}
		}
	}
	if now := r.Stats(); now.Known != 5 || now.Unusable != 3 || now.Awaited != 0 {
		t.Errorf("got %+v", now)
	}
}

// TestSchemaKnownLater: a value that was given up on stays a gap for as long as it is in
// memory. Who reads it from Kafka after its schema has become known is shown it, such as when
// the stream is read anew.
func TestSchemaKnownLater(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		r := open(t, f.Handler(), func(c *registry.Config) { c.Wait = 5 * time.Second })
		run(t, r)
		topics := hubtest.New()
		topics.Create("t", 1)
		topics.Append("t", record.Record{Timestamp: time.Now().UnixMilli(), Value: framed(4, "\x0e")})
		stream := hub.Stream{Name: "s", Topic: "t", Source: r.Source(topics), Content: "json", Decode: r.Decoding(registry.Avro, 1000), LogBytes: 1 << 20, RecordBytes: 1000, Backfill: time.Hour, Linger: time.Hour}
		h, err := hub.New(hub.Config{
			Streams: []hub.Stream{stream}, Shards: 1, Logger: slog.New(slog.DiscardHandler), Now: time.Now, Limits: hub.Limits{StartTimeout: time.Minute},
			Wake: func(shard int, f *hub.Feed) {
				for _, o := range f.Take(shard, nil) {
					o.Pump()
				}
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { _ = h.Run(ctx) })
		defer running.Wait()
		defer cancel()
		shown := func(want int) (lines []string) {
			t.Helper()
			s, _, err := h.Subscribe(t.Context(), hub.Request{Stream: "s", Start: hub.Start{Kind: hub.StartEarliest}, Replay: -1, Owner: make(bell, 1)})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			for range 100 {
				s.Take(100, 1<<20, func(_ bool, body []byte) { lines = append(lines, string(body)) })
				if len(lines) >= want {
					return lines
				}
				time.Sleep(time.Millisecond)
			}
			t.Fatalf("only %q", lines)
			return nil
		}
		const gap = `"from":0,"to":1,"reason":"unreadable"`
		if got := shown(1); !strings.Contains(got[0], gap) {
			t.Fatalf("without the schema: %s", got)
		}
		f.SeedSchema("v", 1, 4, sr.Schema{Schema: `"int"`})
		time.Sleep(refresh + time.Second)
		topics.Append("t", record.Record{Timestamp: time.Now().UnixMilli(), Value: framed(4, "\x10")}) // with which it is asked for again
		time.Sleep(time.Second)
		if got := shown(2); !strings.Contains(got[0], gap) || !strings.Contains(got[1], `"offset":1,`) {
			t.Errorf("from memory: %s", got)
		}
		stream.LogBytes++ // another definition, for which the topic is read anew
		if err := h.SetStreams([]hub.Stream{stream}); err != nil {
			t.Fatal(err)
		}
		if got := shown(2); !strings.Contains(got[0], `"data":7}`) || !strings.Contains(got[1], `"data":8}`) {
			t.Errorf("from Kafka: %s", got)
		}
	})
}

// reads is a source that passes on what it is given.
type reads struct {
	upstream.Source
	batches chan []*upstream.Fetched
	forgot  string
}

func (s *reads) Follow(ctx context.Context, _ record.Topic, _ []record.PartitionOffset, sink upstream.Sink) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case batch := <-s.batches:
			sink.Append(batch)
		}
	}
}

func (s *reads) Read(_ context.Context, _ record.Topic, _ []record.PartitionOffset, _ int, visit func(*upstream.Fetched)) error {
	for _, f := range <-s.batches {
		visit(f)
	}
	return nil
}

func (s *reads) Forget(topic string) { s.forgot = topic }

// fetched is a batch with a record for each id.
func fetched(of ...uint32) []*upstream.Fetched {
	return []*upstream.Fetched{{Partition: 1}, {Each: func(yield func(*record.Record) bool) {
		for _, id := range of {
			if !yield(&record.Record{Value: framed(id, "\x02")}) {
				return
			}
		}
	}}}
}

// passed notes when batches are passed on.
type passed struct {
	began time.Time
	at    chan time.Duration
}

func (p passed) Append([]*upstream.Fetched) { p.at <- time.Since(p.began) }
func (passed) Live(bool, error)             {}

// TestReadingWaits: for a schema that is not known, so long as is configured from its first
// value; and no longer than until it is known. Every other reading goes on.
func TestReadingWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		seedValues(f)
		r := open(t, f.Handler(), func(c *registry.Config) { c.Wait = 10 * time.Second })
		run(t, r)
		f.away()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var following sync.WaitGroup
		follow := func() (*reads, passed) {
			from, to := &reads{batches: make(chan []*upstream.Fetched, 10)}, passed{time.Now(), make(chan time.Duration, 10)}
			following.Go(func() { _ = r.Source(from).Follow(ctx, record.Topic{}, nil, to) })
			return from, to
		}
		took := func(to passed) time.Duration { return (<-to.at).Round(time.Second) }
		one, seen := follow()
		other, seenOther := follow()
		one.batches <- fetched(4, 4, 5)
		one.batches <- fetched(4)
		time.Sleep(3 * time.Second)
		other.batches <- fetched()
		if at := took(seenOther); at != 3*time.Second {
			t.Errorf("another topic was passed on after %s", at)
		}
		if a, b := took(seen), took(seen); a != 10*time.Second || b != 10*time.Second {
			t.Errorf("without the registry, passed on after %s and %s", a, b)
		}
		if _, _, err := r.Decoding(registry.Avro, 100).Decode(nil, framed(4, "\x02")); err == nil {
			t.Error("decoded without a schema")
		}
		if err := r.Check(t.Context()); err == nil || err.Error() != "2 schemas of values are not known yet" {
			t.Errorf("got %v", err)
		}
		// A new id, and the registry is there again two seconds later.
		began := time.Since(seen.began)
		one.batches <- fetched(9)
		time.Sleep(2 * time.Second)
		f.again()
		if at := took(seen) - began; at < 2*time.Second || at > 9*time.Second {
			t.Errorf("passed on %s after the new id", at)
		}
		synctest.Wait() // for the others, which are asked for in some order
		if value, _, err := r.Decoding(registry.Avro, 100).Decode(nil, framed(4, "\x02")); err != nil || string(value) != `{"n":1}` {
			t.Errorf("got %s, %v", value, err)
		}
		// What cannot be used is not waited for, and is asked for again after a while.
		began = time.Since(seen.began)
		one.batches <- fetched(99)
		if at := took(seen) - began; at > time.Second {
			t.Errorf("passed on %s after an id that does not exist", at)
		}
		f.SeedSchema("late", 1, 99, sr.Schema{Schema: `"int"`})
		time.Sleep(refresh + time.Second)
		one.batches <- fetched(99)
		took(seen)
		if value, _, err := r.Decoding(registry.Avro, 100).Decode(nil, framed(99, "\x02")); err != nil || string(value) != `1` {
			t.Errorf("got %s, %v", value, err)
		}
		r.Source(one).Forget("t")
		if one.forgot != "t" {
			t.Error("topics are not forgotten")
		}
		cancel()
		following.Wait()
	})
}

// TestReadingOnceWaits: a read of what is behind the log waits as well, and ends with its
// context.
func TestReadingOnceWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		seedValues(f)
		r := open(t, f.Handler(), func(c *registry.Config) { c.Wait = time.Hour })
		run(t, r)
		f.away()
		from := &reads{batches: make(chan []*upstream.Fetched, 10)}
		from.batches <- fetched(4)
		ctx, cancel := context.WithTimeout(t.Context(), 7*time.Second)
		defer cancel()
		began, visits := time.Now(), 0
		_ = r.Source(from).Read(ctx, record.Topic{}, nil, 0, func(*upstream.Fetched) { visits++ })
		if took := time.Since(began); took != 7*time.Second || visits != 2 {
			t.Errorf("took %s, %d visits", took, visits)
		}
		f.again()
		from.batches <- fetched(4)
		_ = r.Source(from).Read(t.Context(), record.Topic{}, nil, 0, func(*upstream.Fetched) {})
		if _, _, err := r.Decoding(registry.Avro, 100).Decode(nil, framed(4, "\x02")); err != nil {
			t.Error(err)
		}
	})
}

// TestOneIDDelaysNoOther: an id for which the registry fails is asked for behind others.
func TestOneIDDelaysNoOther(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		seedValues(f)
		f.fail(func(path string) int {
			if path == "/schemas/ids/8" {
				return http.StatusInternalServerError
			}
			return 0
		})
		r := open(t, f.Handler(), func(c *registry.Config) { c.Wait = 5 * time.Second })
		run(t, r)
		from := &reads{batches: make(chan []*upstream.Fetched, 1)}
		from.batches <- fetched(8, 4, 9)
		_ = r.Source(from).Read(t.Context(), record.Topic{}, nil, 0, func(*upstream.Fetched) {})
		if now := r.Stats(); now.Known != 2 || now.Awaited != 1 {
			t.Errorf("got %+v", now)
		}
	})
}

// TestIDsAreBounded: however many ids values have, few are awaited and kept, those that exist
// rather than those that do not, and the wait for all of them is that for one.
func TestIDsAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		seedValues(f)
		r := open(t, f.Handler(), func(c *registry.Config) { c.Wait = 10 * time.Second })
		run(t, r)
		from, to := &reads{batches: make(chan []*upstream.Fetched)}, passed{time.Now(), make(chan time.Duration, 10)}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var following sync.WaitGroup
		following.Go(func() { _ = r.Source(from).Follow(ctx, record.Topic{}, nil, to) })
		batch := func(begin, n uint32) time.Duration {
			var list []uint32
			for i := range n {
				list = append(list, begin+i)
			}
			began := time.Now()
			from.batches <- fetched(list...)
			<-to.at
			return time.Since(began)
		}
		batch(4, 1)
		for n := range uint32(50) {
			batch(1000+n*200, 200)
		}
		if now := r.Stats(); now.Known != 1 || now.Unusable+now.Known > 2000 || now.Awaited != 0 {
			t.Errorf("got %+v", now)
		}
		f.away()
		time.Sleep(time.Second)
		if took := batch(1_000_000, 10_000); took != 10*time.Second {
			t.Errorf("took %s", took)
		}
		if now := r.Stats(); now.Awaited != 256 {
			t.Errorf("got %+v", now)
		}
		if took := batch(2_000_000, 10_000); took != 0 {
			t.Errorf("took %s", took)
		}
		cancel()
		following.Wait()
	})
}

// TestHostileSchemas: answers for an id that are no schema.
func TestHostileSchemas(t *testing.T) {
	t.Parallel()
	for _, text := range []string{`{}`, `[]`, `{"schema":""}`, `{"schema":"{"}`, `{"schema":"{}","schemaType":"XML"}`, strings.Repeat(" ", 5<<20)} {
		synctest.Test(t, func(t *testing.T) {
			r := open(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, text) }), func(c *registry.Config) { c.Wait = time.Hour })
			run(t, r)
			from := &reads{batches: make(chan []*upstream.Fetched, 1)}
			from.batches <- fetched(4)
			began := time.Now()
			_ = r.Source(from).Read(t.Context(), record.Topic{}, nil, 0, func(*upstream.Fetched) {})
			if _, _, err := r.Decoding(registry.AnyKind, 100).Decode(nil, framed(4, "\x02")); err == nil || time.Since(began) > 0 {
				t.Errorf("%.50s: %v", text, err)
			}
		})
	}
}
