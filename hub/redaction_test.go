package hub_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sluice/hub"
	"sluice/hub/filter"
	"sluice/hub/filter/expr"
	"sluice/hub/hubtest"
	"sluice/hub/record"
	"sluice/hub/redact"
)

// secretive returns a record with things to hide, each of which has "hidden" in it.
func secretive(n int) record.Record {
	return record.Record{
		Key: fmt.Appendf(nil, "k%d", n%7), Timestamp: 1795245600000 + int64(n),
		Value: fmt.Appendf(nil, `{"n":%d,"region":%q,"card":{"number":"hidden-card-%d","exp":%d},"items":[{"sku":"a","price":"hidden-price-%d"},{"sku":"b"}],"email":"hidden-mail-%d"}`,
			n, regions[n%3], n%5, n, n, n),
		Headers: []record.Header{{Name: []byte("trace"), Value: fmt.Appendf(nil, "hidden-trace-%d", n)}, {Name: []byte("kind"), Value: []byte("x")}},
	}
}

// view is one of several ways in which the same records are shown.
type view struct {
	name            string
	removed, masked []string
	// what remains of secretive(n).
	headers, value string
}

var views = []view{
	{
		name: "whole", headers: `[["trace","hidden-trace-%[1]d"],["kind","x"]]`,
		value: `{"n":%[1]d,"region":%[2]q,"card":{"number":"hidden-card-%[3]d","exp":%[1]d},"items":[{"sku":"a","price":"hidden-price-%[1]d"},{"sku":"b"}],"email":"hidden-mail-%[1]d"}`,
	},
	{
		name: "nothing hidden", removed: []string{"/card/number", "/items/*/price", "headers.trace"}, masked: []string{"/email"},
		headers: `[["kind","x"]]`, value: `{"n":%[1]d,"region":%[2]q,"card":{"exp":%[1]d},"items":[{"sku":"a"},{"sku":"b"}],"email":"***"}`,
	},
	{
		name: "card", removed: []string{"/card"}, headers: `[["trace","hidden-trace-%[1]d"],["kind","x"]]`,
		value: `{"n":%[1]d,"region":%[2]q,"items":[{"sku":"a","price":"hidden-price-%[1]d"},{"sku":"b"}],"email":"hidden-mail-%[1]d"}`,
	},
}

func (v view) redaction(t *testing.T) *redact.Redaction {
	t.Helper()
	r, err := redact.New(v.removed, v.masked)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// want returns the event of secretive(n) in this view, at an offset.
func (v view) want(n int, feed string) string {
	text := `{"type":"event",`
	if feed != "" {
		text += fmt.Sprintf(`"feed":%q,`, feed)
	}
	text += fmt.Sprintf(`"stream":"orders","partition":0,"offset":%d,"ts":%d,"key":"k%d","headers":`, n, 1795245600000+n, n%7)
	return text + fmt.Sprintf(v.headers+`,"data":`+v.value+"}%.0[4]d", n, regions[n%3], n%5, 0)
}

// lines takes n events in one of several ways, as they are delivered.
func (r *reader) lines(t *testing.T, way string, n int) (lines []string) {
	t.Helper()
	q := quoting{block: 1000, window: 700, inWindow: true, shared: new(atomic.Int64), alone: new(atomic.Int64)}
	var (
		b       hub.Batch
		w       hub.Window
		timeout = time.After(time.Minute)
	)
	for len(lines) < n && r.Ended() == "" {
		b.Reset()
		var more bool
		switch way {
		case "pages":
			more = r.Collect(1+rand.IntN(50), func(_ bool, body []byte) { lines = append(lines, string(body)) })
		case "compressed":
			more = r.NextCompressed(&b, q, &w, 500+rand.IntN(5000))
		default:
			more = r.Next(&b, frame{}, 500+rand.IntN(5000))
		}
		compressed := b.Compressed
		for i, buf := range b.Bufs {
			var text []byte
			for len(compressed) > 0 && compressed[0].Buf == i {
				block := buf[:compressed[0].Bytes]
				text = append(text, block[len(block)-compressed[0].Content:]...)
				if head, _, _ := bytes.Cut(block, []byte("\n")); string(head) != "0" && bytes.Contains(block, []byte("hidden")) != bytes.Contains(text, []byte("hidden")) {
					t.Error("a block refers to content of another view")
				}
				buf, compressed = buf[compressed[0].Bytes:], compressed[1:]
			}
			for line := range strings.Lines(string(append(text, buf...))) {
				if line[0] == '{' {
					lines = append(lines, strings.TrimSuffix(line, "\n"))
				}
			}
		}
		if !more && len(lines) < n {
			select {
			case <-r.bell:
			case <-timeout:
				t.Errorf("%s: nothing came behind %d of %d", way, len(lines), n)
				return lines
			}
		}
	}
	return lines
}

// TestEachSeesItsOwn: subscriptions with several redactions and without one, side by side
// on one stream, live and from before the log, in every way and with filters, are
// delivered exactly what each may see.
func TestEachSeesItsOwn(t *testing.T) {
	t.Parallel()
	const records = 600
	language, err := expr.New(expr.Limits{Bytes: 1000, Cost: 1000, Memory: 8 << 20})
	if err != nil {
		t.Fatal(err)
	}
	compiled := func(text string) filter.Filter {
		f, err := language.Compile(text)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	filters := map[string]struct {
		filter filter.Filter
		keys   []string
		passes func(n int, v view) bool
	}{
		"":          {passes: func(int, view) bool { return true }},
		"key":       {keys: []string{"k3"}, passes: func(n int, _ view) bool { return n%7 == 3 }},
		"field":     {filter: compiled(`data.region == "eu"`), passes: func(n int, _ view) bool { return n%3 == 0 }},
		"predicate": {filter: compiled(`int(data.n) % 4 == 1`), passes: func(n int, _ view) bool { return n%4 == 1 }},
		"hidden":    {filter: compiled(`data.card.number == "hidden-card-2"`), passes: func(n int, v view) bool { return v.name == "whole" && n%5 == 2 }},
		"not there": {filter: compiled(`!has(data.card.number) || headers["kind"] == "y"`), passes: func(_ int, v view) bool { return v.name == "nothing hidden" }},
		"absent":    {filter: compiled(`!("trace" in headers) && data.email == "***"`), passes: func(_ int, v view) bool { return v.name == "nothing hidden" }},
	}
	for _, late := range []bool{false, true} {
		t.Run(map[bool]string{false: "live", true: "late"}[late], func(t *testing.T) {
			t.Parallel()
			topics := hubtest.New()
			topics.Create("orders.v1", 1)
			start := hub.Start{Kind: hub.StartLatest}
			write := func() {
				for n := 0; n < records; n += 50 {
					var batch []record.Record
					for i := range 50 {
						batch = append(batch, secretive(n+i))
					}
					topics.AppendBatch("orders.v1", batch)
				}
			}
			if late {
				start.Kind = hub.StartEarliest
				write()
			}
			h := startHub(t, topics, func(s *hub.Stream) {
				s.Backfill, s.LogBytes = 0, 16<<20
				if late {
					s.LogBytes = 64 << 10
				}
			})
			var reading sync.WaitGroup
			for name, f := range filters {
				for _, v := range views {
					for _, way := range []string{"pages", "next", "labelled", "labelled", "compressed"} {
						var want []int
						for n := range records {
							if f.passes(n, v) {
								want = append(want, n)
							}
						}
						r := subscribe(t, h, hub.Request{
							Start: start, Keys: f.keys, Filter: f.filter, Rows: hub.Rows{Redaction: v.redaction(t)}, Labelled: way == "labelled",
						})
						reading.Go(func() {
							defer r.Close()
							feed := ""
							if way == "labelled" && r.Feed().Filtered() {
								feed = r.Feed().Name()
							}
							got := r.lines(t, way, len(want))
							for i, n := range want {
								if i == len(got) || got[i] != v.want(n, feed) {
									t.Errorf("%s, %s, filter %q: event %d of %d\n got %s\nwant %s", v.name, way, name, i, len(got), got[min(i, len(got)-1):min(i+1, len(got))], v.want(n, feed))
									return
								}
							}
						})
					}
				}
			}
			if !late {
				write()
			}
			reading.Wait()
		})
	}
}

// TestManyRedactions: more redactions on a stream than are kept. Each sees its own.
func TestManyRedactions(t *testing.T) {
	t.Parallel()
	const records, redactions = 280, 24
	topics := hubtest.New()
	topics.Create("orders.v1", 1)
	h := startHub(t, topics, func(s *hub.Stream) { s.LogBytes = 16 << 20 })
	var reading sync.WaitGroup
	for k := range redactions {
		for _, way := range []string{"pages", "next", "labelled", "compressed"} {
			v := view{removed: []string{fmt.Sprintf("/f%d", k), "/n"}}
			request := hub.Request{Rows: hub.Rows{Redaction: v.redaction(t)}, Labelled: way == "labelled"}
			if way == "labelled" {
				request.Filter = filter.Where(filter.KeyPrefix("k"))
			}
			r := subscribe(t, h, request)
			reading.Go(func() {
				defer r.Close()
				for i, line := range r.lines(t, way, records) {
					var e struct {
						Offset int
						Data   map[string]int
					}
					if err := json.Unmarshal([]byte(line), &e); err != nil || e.Offset != i || len(e.Data) != redactions-1 || e.Data[fmt.Sprintf("f%d", k)] != 0 {
						t.Errorf("redaction %d, %s: %v: %s", k, way, err, line)
						return
					}
				}
			})
		}
	}
	for n := 0; n < records; n += 70 {
		var batch []record.Record
		for range 70 {
			fields := map[string]int{"n": 1}
			for k := range redactions {
				fields[fmt.Sprintf("f%d", k)] = 1 + k
			}
			value, _ := json.Marshal(fields)
			batch = append(batch, record.Record{Key: []byte("k"), Value: value})
		}
		topics.AppendBatch("orders.v1", batch)
	}
	reading.Wait()
}

// TestRedactedConflation: the newest record of each key, and a record that comes behind.
func TestRedactedConflation(t *testing.T) {
	t.Parallel()
	redaction, err := redact.New([]string{"/pad"}, []string{"/n"})
	if err != nil {
		t.Fatal(err)
	}
	_, _, r := slowTopic(t, hub.SlowConflate, hub.Request{Rows: hub.Rows{Redaction: redaction}}, nil)
	defer r.Close()
	events, next := 0, map[int32]int64{}
	for next[0] < slowRecords/2 || next[1] < slowRecords/2 {
		more := r.Collect(100, func(isGap bool, body []byte) {
			var e struct {
				seenEvent
				Data map[string]any
			}
			if err := json.Unmarshal(body, &e); err != nil {
				t.Fatal(err)
			}
			next[e.Partition] = max(e.To, e.Offset+1)
			if events++; !isGap && (e.Data["n"] != "***" || len(e.Data) != 1) {
				t.Fatalf("shown %s", body)
			}
		})
		if !more && (next[0] < slowRecords/2 || next[1] < slowRecords/2) {
			<-r.bell
		}
	}
	if events > 200 {
		t.Errorf("%d events and gaps: it was not conflated", events)
	}
}

// TestRedactedLast: the newest N are counted of what passes as it is shown.
func TestRedactedLast(t *testing.T) {
	t.Parallel()
	topics := hubtest.New()
	topics.Create("orders.v1", 1)
	for n := range 300 {
		topics.Append("orders.v1", secretive(n))
	}
	h := startHub(t, topics, nil)
	hidden := filter.In(filter.Data("card", "number"), filter.String("hidden-card-2"))
	for _, v := range views {
		for text, f := range map[string]filter.Filter{
			"hidden": hidden, "shown": filter.In(filter.Data("email"), filter.String("***")), "right": {},
		} {
			request := hub.Request{Start: hub.Start{Kind: hub.StartLast, Last: 5}, Filter: f, Rows: hub.Rows{Redaction: v.redaction(t)}}
			var want []int
			for n := range 300 {
				switch {
				case text == "hidden" && v.name == "whole" && n%5 == 2, text == "shown" && v.name == "nothing hidden", text == "right" && n%5 == 2:
					want = append(want, n)
				}
			}
			if text == "right" {
				request.Rows.Filter = hidden // the right looks at what it hides
			}
			r := subscribe(t, h, request)
			want = want[max(0, len(want)-5):]
			got := r.lines(t, "pages", len(want))
			if len(got) != len(want) {
				t.Fatalf("%s, %s: %d events", v.name, text, len(got))
			}
			for i, n := range want {
				if got[i] != v.want(n, "") {
					t.Errorf("%s, %s: %s, want %s", v.name, text, got[i], v.want(n, ""))
				}
			}
			if more := r.Collect(1, func(_ bool, body []byte) { t.Errorf("%s, %s: also %s", v.name, text, body) }); more && len(want) > 0 {
				t.Errorf("%s, %s: more", v.name, text)
			}
			r.Close()
		}
	}
}

// TestRowsOfRedactions: rights that redact otherwise are others.
func TestRowsOfRedactions(t *testing.T) {
	t.Parallel()
	for i, a := range views {
		for k, b := range views {
			one, other := hub.Rows{Redaction: a.redaction(t)}, hub.Rows{Redaction: b.redaction(t)}
			if one.Equal(&other) != (i == k) {
				t.Errorf("%s and %s: %v", a.name, b.name, i != k)
			}
		}
	}
}

// TestWindowOfOtherViews: a connection that has had blocks of one view of a log is not sent
// blocks of another that refer to them.
func TestWindowOfOtherViews(t *testing.T) {
	t.Parallel()
	topics := hubtest.New()
	topics.Create("orders.v1", 1)
	h := startHub(t, topics, func(s *hub.Stream) { s.LogBytes = 16 << 20 })
	q := quoting{block: 1000, window: 700, inWindow: true, shared: new(atomic.Int64), alone: new(atomic.Int64)}
	var w hub.Window
	written := 0
	// Each view has a subscription that keeps its blocks being made.
	var keeping []*reader
	for _, v := range views {
		r := subscribe(t, h, hub.Request{Rows: hub.Rows{Redaction: v.redaction(t)}})
		defer r.Close()
		keeping = append(keeping, r)
	}
	var had []byte
	for round := range 12 {
		v := views[round%len(views)]
		r := subscribe(t, h, hub.Request{Rows: hub.Rows{Redaction: v.redaction(t)}})
		for range 10 {
			topics.Append("orders.v1", secretive(written))
			written++
		}
		for _, k := range keeping {
			k.lines(t, "compressed", 10)
		}
		for n := 0; n < 10; {
			var b hub.Batch
			more := r.NextCompressed(&b, q, &w, 1<<20)
			compressed := b.Compressed
			for i, buf := range b.Bufs {
				for ; len(compressed) > 0 && compressed[0].Buf == i; compressed = compressed[1:] {
					block := buf[:compressed[0].Bytes]
					buf = buf[compressed[0].Bytes:]
					_, rest, _ := bytes.Cut(block, []byte("\n"))
					window := len(rest) - compressed[0].Content
					if window > len(had) || !bytes.Equal(had[len(had)-window:], rest[:window]) {
						t.Fatalf("round %d: a block refers to %d bytes that its reader has not had", round, window)
					}
					had = append(had, rest[window:]...)
					n += bytes.Count(rest[window:], []byte(`{"type"`))
				}
				had = append(had, buf...)
				n += bytes.Count(buf, []byte(`{"type"`))
			}
			if !more && n < 10 {
				<-r.bell
			}
		}
		r.Close()
	}
}

// TestRewoundRedaction: what a socket did not accept comes again, of the same view.
func TestRewoundRedaction(t *testing.T) {
	t.Parallel()
	topics := hubtest.New()
	topics.Create("orders.v1", 1)
	h := startHub(t, topics, func(s *hub.Stream) { s.LogBytes = 16 << 20 })
	for _, v := range views {
		for _, labelled := range []bool{false, true} {
			request := hub.Request{Rows: hub.Rows{Redaction: v.redaction(t)}, Labelled: labelled}
			if labelled {
				request.Filter = filter.In(filter.Data("region"), filter.String("eu"), filter.String("us"), filter.String("ap"))
			}
			r := subscribe(t, h, request)
			var batch []record.Record
			for n := range 20 {
				batch = append(batch, secretive(n))
			}
			topics.AppendBatch("orders.v1", batch)
			feed := ""
			if labelled {
				feed = r.Feed().Name()
			}
			<-r.bell
			var b hub.Batch
			mark := r.Bookmark()
			for len(b.Bufs) == 0 {
				r.Next(&b, frame{}, 1<<20)
			}
			text := string(bytes.Join(b.Bufs, nil))
			first := text[:strings.IndexByte(text, '\n')+1]
			stay, ok := r.Rewind(mark, frame{}, len(first)-1)
			if !ok || stay.Bytes != len(first) || stay.Records != 1 || b.Records != 20 {
				t.Fatalf("%s, labelled %v: %+v, %v stay of %d records; the first has %d bytes", v.name, labelled, stay, ok, b.Records, len(first))
			}
			var again hub.Batch
			r.Next(&again, frame{}, 1<<20)
			if first+string(bytes.Join(again.Bufs, nil)) != text || !strings.Contains(text, v.headers[:10]) || !strings.Contains(text, feed) {
				t.Errorf("%s, labelled %v: again %s", v.name, labelled, again.Bufs)
			}
			r.Close()
		}
	}
}

// TestRedactionsCountAsMemory: what remains of chunks counts as memory of the log, which
// stays within its bound, and of what is read for late subscriptions.
func TestRedactionsCountAsMemory(t *testing.T) {
	t.Parallel()
	const records, redactions = 2000, 4
	topics := hubtest.New()
	topics.Create("orders.v1", 1)
	write := func() {
		for n := 0; n < records; n += 50 {
			var batch []record.Record
			for i := range 50 {
				batch = append(batch, secretive(n+i))
			}
			topics.AppendBatch("orders.v1", batch)
		}
	}
	write()
	h := startHubWith(t, topics, func(s *hub.Stream) { s.LogBytes, s.Backfill = 64<<20, 0 }, func(c *hub.Config) { c.LateMemory = 64 << 20 })
	var reading sync.WaitGroup
	for k := range redactions {
		for _, kind := range []hub.StartKind{hub.StartLatest, hub.StartEarliest} {
			r := subscribe(t, h, hub.Request{Start: hub.Start{Kind: kind}, Rows: hub.Rows{Redaction: view{removed: []string{fmt.Sprintf("/none%d", k)}}.redaction(t)}})
			if kind == hub.StartEarliest {
				r.lines(t, "next", records)
				r.Close()
				continue
			}
			defer r.Close()
			reading.Go(func() { r.lines(t, "next", records) })
		}
	}
	late := h.Late().Bytes
	write()
	reading.Wait()
	info, err := h.Stream("", "orders")
	if err != nil {
		t.Fatal(err)
	}
	// The bodies, and those of each redaction, laid out once more in a format.
	least := records * (1 + 2*redactions) * len(views[0].want(100, ""))
	if least -= least / 10; info.LogBytes < least || late < least {
		t.Errorf("the log has %d bytes and the late records %d, want at least %d", info.LogBytes, late, least)
	}
}

// TestHiddenValuesDecideNothing: for random filters, the same records of two streams are
// delivered that differ only in what is hidden.
func TestHiddenValuesDecideNothing(t *testing.T) {
	t.Parallel()
	language, err := expr.New(expr.Limits{Bytes: 4000, Cost: 1000, Memory: 8 << 20})
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(11, 8))
	pick := func(of ...string) string { return of[random.IntN(len(of))] }
	var draw func(depth int) string
	draw = func(depth int) string {
		value := pick(`"a"`, `"b"`, `"***"`, `1`, `null`)
		switch kind := random.IntN(12); {
		case kind < 3:
			return pick("data.shown", "data.secret", "data.of.secret", "data.of.shown", "data.of", "data.masked", `headers["secret"]`, `headers["shown"]`, `headers["masked"]`, "data.list[0].secret", "data.list[1]") + pick(" == ", " != ") + value
		case kind == 3:
			return pick("data.secret", "data.of.secret", "data.shown", `headers["secret"]`, "data.masked") + ` in ["a", "b"]`
		case kind == 4:
			return "has(" + pick("data.secret", "data.of.secret", "data.masked", "data.shown", "data.of.shown") + ")"
		case kind == 5:
			return "size(" + pick("data", "headers", "data.of", "data.list", "string(data.secret)") + ") > " + pick("1", "2", "3")
		case kind == 6:
			return "data.list.exists(x, x." + pick("secret", "shown") + " == " + value + ")"
		case kind == 7:
			return "data.exists(name, data[name] == " + value + ")"
		case kind == 8:
			return "key == " + pick(`"k0"`, `"k1"`)
		case depth == 0:
			return "data.secret == " + value
		case kind == 9:
			return "!(" + draw(depth-1) + ")"
		default:
			return "(" + draw(depth-1) + pick(" && ", " || ") + draw(depth-1) + ")"
		}
	}
	drawn := func() string { return pick(`"a"`, `"b"`, `1`, `null`, `{"secret":"a"}`, `["a"]`, `"***"`) }
	hidden := func() string {
		if random.IntN(4) == 0 {
			return ""
		}
		return drawn()
	}
	member := func(name, value string) string {
		if value == "" {
			return ""
		}
		return fmt.Sprintf(`,%q:%s`, name, value)
	}
	headerOf := func(name string) []record.Header {
		if random.IntN(3) == 0 {
			return nil
		}
		return []record.Header{{Name: []byte(name), Value: []byte(pick("a", "b", "\xff"))}}
	}
	const records = 150
	topics := []*hubtest.Topics{hubtest.New(), hubtest.New()}
	for _, one := range topics {
		one.Create("orders.v1", 1)
	}
	redaction := view{
		removed: []string{"/secret", "/of/secret", "/list/*/secret", "headers.secret"}, masked: []string{"/masked", "headers.masked"},
	}.redaction(t)
	for n := range records {
		shown, ofShown, listShown, shownHeader := drawn(), drawn(), drawn(), headerOf("shown")
		texts := random.IntN(8) == 0 // not JSON: all of it is hidden
		masked := random.IntN(2) == 0
		for _, one := range topics {
			r := record.Record{Key: fmt.Appendf(nil, "k%d", n%2)}
			text := fmt.Sprintf(`{"shown":%s%s,"of":{"shown":%s%s},"list":[{"shown":%s%s},2]`, shown, member("secret", hidden()), ofShown, member("secret", hidden()), listShown, member("secret", hidden()))
			if masked {
				text += member("masked", drawn())
				r.Headers = append(r.Headers, record.Header{Name: []byte("masked"), Value: []byte(pick("a", "b", "\xff"))})
			}
			r.Value = []byte(text + "}")
			if texts {
				r.Value = []byte(pick("a", "b", "\xff", `"a"`, "text of another length"))
			}
			r.Headers = append(append(r.Headers, shownHeader...), headerOf("secret")...)
			one.Append("orders.v1", r)
		}
	}
	var hubs []*hub.Hub
	for _, one := range topics {
		hubs = append(hubs, startHub(t, one, func(s *hub.Stream) { s.LogBytes = 4 << 20 }))
	}
	passed := 0
	for range 250 {
		text := draw(3)
		f, err := language.Compile(text)
		if err != nil {
			continue
		}
		var all [2][]string
		for i, h := range hubs {
			kind := hub.Start{Kind: hub.StartEarliest}
			if random.IntN(2) == 0 {
				kind = hub.Start{Kind: hub.StartLast, Last: records}
			}
			r := subscribe(t, h, hub.Request{Start: kind, Filter: f, Rows: hub.Rows{Redaction: redaction}})
			for !r.AtTip() && r.Ended() == "" {
				if more := r.Collect(records, func(_ bool, body []byte) { all[i] = append(all[i], string(body)) }); !more && !r.AtTip() {
					<-r.bell
				}
			}
			r.Close()
		}
		passed += len(all[0])
		if !slices.Equal(all[0], all[1]) {
			t.Fatalf("%s: %d and %d records of streams that differ only in what is hidden:\n%s\n\n%s", text, len(all[0]), len(all[1]), strings.Join(all[0], "\n"), strings.Join(all[1], "\n"))
		}
	}
	if passed < 1000 {
		t.Errorf("the filters passed only %d records", passed)
	}
}
