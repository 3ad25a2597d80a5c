package hub_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"sluice/hub"
	"sluice/hub/filter"
	"sluice/hub/filter/expr"
	"sluice/hub/hubtest"
	"sluice/hub/record"
	"sluice/hub/redact"
)

// opener shows "sealed" as "open", with what makes it another opener and the topic, and
// what is broken as null.
type opener struct {
	name string
	at   []string
}

func (o *opener) Paths() []string { return o.at }

func (o *opener) Decrypt(dst []byte, topic string, r *record.Record) (record.Record, []byte) {
	plain := *r
	if len(r.Value) == 0 {
		return plain, dst
	}
	from := len(dst)
	dst = append(dst, bytes.ReplaceAll(r.Value, []byte("sealed"), []byte("open-"+o.name+"-"+topic))...)
	if plain.Value = dst[from:]; bytes.Contains(r.Value, []byte("broken")) {
		plain.Value, plain.Undecrypted = bytes.ReplaceAll(plain.Value, []byte(`"broken"`), []byte("null")), o.at[:1]
	}
	return plain, dst
}

func sealedRecord(n int) record.Record {
	return record.Record{Key: []byte("k"), Value: fmt.Appendf(nil, `{"n":%d,"secret":"sealed"}`, n), Timestamp: int64(n)}
}

var secretPaths = []string{"/secret", "headers.s"}

// TestDecryptedIsShownByRight: live, behind the log and in every form, a subscription is
// shown what is encrypted only if its rights were determined for these very paths.
func TestDecryptedIsShownByRight(t *testing.T) {
	t.Parallel()
	const records = 300
	language, err := expr.New(expr.Limits{Bytes: 1000, Cost: 1000, Memory: 8 << 20})
	if err != nil {
		t.Fatal(err)
	}
	finds, err := language.Compile(`data.secret == "open-a-orders.v1" && data.n != 7`)
	if err != nil {
		t.Fatal(err)
	}
	for _, late := range []bool{false, true} {
		t.Run(fmt.Sprintf("late %v", late), func(t *testing.T) {
			t.Parallel()
			topics := hubtest.New()
			topics.Create("orders.v1", 1)
			write := func() {
				for n := range records {
					topics.Append("orders.v1", sealedRecord(n))
				}
			}
			start := hub.Start{Kind: hub.StartLatest}
			if late {
				start.Kind = hub.StartEarliest
				write()
			}
			h := startHub(t, topics, func(s *hub.Stream) {
				s.Decrypt, s.Backfill, s.LogBytes = &opener{"a", secretPaths}, 0, 16<<20
				if late {
					s.LogBytes = 64 << 10
				}
			})
			masked := of(t, "!/n")
			var reading sync.WaitGroup
			for name, c := range map[string]struct {
				rows   hub.Rows
				filter filter.Filter
				shown  string
				none   bool
			}{
				"no rights":         {shown: `{"n":%d}`},
				"the right":         {rows: hub.Rows{Encrypted: secretPaths}, shown: `{"n":%d,"secret":"open-a-orders.v1"}`},
				"a part":            {rows: hub.Rows{Encrypted: secretPaths, Redaction: of(t, "/secret")}, shown: `{"n":%d}`},
				"other paths":       {rows: hub.Rows{Encrypted: []string{"/other"}, Redaction: masked}, shown: `{"n":"***"}`},
				"fewer":             {rows: hub.Rows{Encrypted: secretPaths[:1]}, shown: `{"n":%d}`},
				"in another order":  {rows: hub.Rows{Encrypted: []string{"headers.s", "/secret"}}, shown: `{"n":%d}`},
				"found":             {rows: hub.Rows{Encrypted: secretPaths}, filter: finds, shown: `{"n":%d,"secret":"open-a-orders.v1"}`},
				"found, no right":   {filter: finds, none: true},
				"by field":          {filter: filter.In(filter.Data("secret"), filter.String("open-a-orders.v1")), none: true},
				"found as it reads": {filter: filter.In(filter.Data("secret"), filter.String("sealed")), none: true},
			} {
				for _, way := range []string{"pages", "next", "compressed"} {
					r := subscribe(t, h, hub.Request{Start: start, Rows: c.rows, Filter: c.filter})
					if c.none {
						defer func() {
							r.Collect(1000, func(_ bool, body []byte) { t.Errorf("%s, %s: found %s", name, way, body) })
							r.Close()
						}()
						continue
					}
					reading.Go(func() {
						defer r.Close()
						want := records
						if name == "found" {
							want--
						}
						for i, line := range r.lines(t, way, want) {
							if name == "found" && i >= 7 {
								i++
							}
							data := strings.Replace(c.shown, "%d", fmt.Sprint(i), 1)
							if !strings.HasSuffix(line, `,"data":`+data+"}") {
								t.Errorf("%s, %s: %s, want %s", name, way, line, data)
								return
							}
						}
					})
				}
			}
			if !late {
				write()
			}
			reading.Wait()
		})
	}
}

func of(t *testing.T, paths ...string) *redact.Redaction {
	t.Helper()
	var removed, masked []string
	for _, p := range paths {
		if text, ok := strings.CutPrefix(p, "!"); ok {
			masked = append(masked, text)
		} else {
			removed = append(removed, p)
		}
	}
	return view{removed: removed, masked: masked}.redaction(t)
}

// TestAnotherDecrypter: subscriptions of a stream that gets another decrypter end, and
// nothing that the former one made, in the log or in blocks, is delivered afterwards. With
// the same one the stream goes on.
func TestAnotherDecrypter(t *testing.T) {
	t.Parallel()
	topics := hubtest.New()
	topics.Create("orders.v1", 1)
	for n := range 400 {
		topics.Append("orders.v1", sealedRecord(n))
	}
	first := &opener{"a", secretPaths}
	var defined hub.Stream
	h := startHub(t, topics, func(s *hub.Stream) {
		s.Decrypt, s.Backfill, s.LogBytes = first, 0, 64<<10
		defined = *s
	})
	whole := hub.Request{Start: hub.Start{Kind: hub.StartEarliest}, Rows: hub.Rows{Encrypted: secretPaths}}
	shows := func(name string) {
		t.Helper()
		r := subscribe(t, h, whole)
		defer r.Close()
		for _, line := range r.lines(t, "pages", 400) {
			if !strings.Contains(line, `"open-`+name+`-orders.v1"`) {
				t.Fatalf("%s: %s", name, line)
			}
		}
	}
	live := subscribe(t, h, hub.Request{Rows: whole.Rows})
	shows("a")
	shows("a")
	if err := h.SetStreams([]hub.Stream{defined}); err != nil || live.Ended() != "" {
		t.Errorf("the same: %v, ended %q", err, live.Ended())
	}
	defined.Decrypt = &opener{"b", secretPaths}
	if err := h.SetStreams([]hub.Stream{defined}); err != nil {
		t.Fatal(err)
	}
	topics.Append("orders.v1", sealedRecord(400))
	if lines := live.lines(t, "pages", 1); len(lines) > 0 || live.Ended() != hub.StreamChanged {
		t.Errorf("ended %q after %v", live.Ended(), lines)
	}
	live.Close()
	shows("b")
	defined.Decrypt = &opener{"c", []string{"no path"}}
	if err := h.SetStreams([]hub.Stream{defined}); err == nil {
		t.Error("what is no path can be encrypted")
	}
	shows("b")
}

// TestUndecryptedIsNoted: what cannot be decrypted is null, says so where it is shown, is
// counted, and is logged once a minute, without what the record contains.
func TestUndecryptedIsNoted(t *testing.T) {
	t.Parallel()
	var log lockedBuffer
	now := newTime()
	topics := hubtest.New()
	topics.Create("a.orders", 1)
	h := startHubWith(t, topics, func(s *hub.Stream) {
		s.Topic, s.Decrypt, s.Backfill = "{tenant}.orders", &opener{"x", secretPaths}, 0
	}, func(c *hub.Config) {
		c.Logger, c.Now = slog.New(slog.NewTextHandler(&log, nil)), now.now
	})
	right := subscribe(t, h, hub.Request{Tenant: "a", Rows: hub.Rows{Encrypted: secretPaths}})
	defer right.Close()
	none := subscribe(t, h, hub.Request{Tenant: "a"})
	defer none.Close()
	for n := range 100 {
		topics.Append("a.orders", record.Record{Value: fmt.Appendf(nil, `{"n":%d,"secret":"broken","x":"hunter2"}`, n)})
	}
	topics.Append("a.orders", sealedRecord(100))
	lines, hidden := right.lines(t, "pages", 101), none.lines(t, "pages", 101)
	for n := range 100 {
		if want := fmt.Sprintf(`"key":null,"undecrypted":["/secret"],"data":{"n":%d,"secret":null,"x":"hunter2"}}`, n); !strings.HasSuffix(lines[n], want) {
			t.Fatalf("%s, want %s", lines[n], want)
		}
		if want := fmt.Sprintf(`"key":null,"data":{"n":%d,"x":"hunter2"}}`, n); !strings.HasSuffix(hidden[n], want) {
			t.Fatalf("%s, want %s", hidden[n], want)
		}
	}
	if !strings.Contains(lines[100], `"open-x-a.orders"`) {
		t.Errorf("a tenant's topic: %s", lines[100])
	}
	infos := h.Streams()
	if i := slices.IndexFunc(infos, func(i hub.StreamInfo) bool { return i.Tenant == "a" }); i < 0 || infos[i].Undecrypted != 100 || !infos[i].Encrypted {
		t.Errorf("counted: %+v", infos)
	}
	if n := strings.Count(log.String(), "cannot be decrypted"); n != 1 || !strings.Contains(log.String(), "tenant=a") {
		t.Errorf("logged %d times: %s", n, log.String())
	}
	now.add(time.Minute)
	topics.Append("a.orders", record.Record{Value: []byte(`{"secret":"broken","x":"hunter2"}`)})
	right.lines(t, "pages", 1)
	if n := strings.Count(log.String(), "cannot be decrypted"); n != 2 || strings.Contains(log.String(), "hunter2") {
		t.Errorf("logged %d times after a minute: %s", n, log.String())
	}
}

// TestBoundIsOfThePlaintext: a record is too large if what is shown of it is.
func TestBoundIsOfThePlaintext(t *testing.T) {
	t.Parallel()
	topics := hubtest.New()
	topics.Create("orders.v1", 1)
	h := startHub(t, topics, func(s *hub.Stream) {
		s.Decrypt, s.RecordBytes = &opener{strings.Repeat("x", 500), secretPaths}, 400
	})
	r := subscribe(t, h, hub.Request{})
	defer r.Close()
	topics.Append("orders.v1", sealedRecord(0))
	if lines := r.lines(t, "pages", 1); !strings.Contains(lines[0], `"reason":"too_large"`) {
		t.Errorf("delivered %s", lines[0])
	}
}

// lockedBuffer is a buffer for a log that several goroutines write.
type lockedBuffer struct {
	mu   sync.Mutex
	text strings.Builder
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// settable is a clock that is set.
type settable struct {
	mu sync.Mutex
	at time.Time
}

func newTime() *settable { return &settable{at: time.Now()} }

func (c *settable) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *settable) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}
