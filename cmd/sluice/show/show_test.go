package show_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"sluice/cmd/sluice/show"
	"sluice/transport/client"
)

const wire = `{"type":"event","stream":"s","partition":1,"offset":7,"ts":1795245600123,"key":"a\tb","headers":[["x","1"],["y",null],["x","2"],["odd.name","3"]],` +
	`"data":{"price":1.50,"items":[{"id":"x"}],"no":null,"text":"two\nlines \\","a b":{"c.d":true}}}`

func record(t *testing.T) client.Record {
	t.Helper()
	var m struct{ Data json.RawMessage }
	if err := json.Unmarshal([]byte(wire), &m); err != nil {
		t.Fatal(err)
	}
	return client.Record{Stream: "s", Partition: 1, Offset: 7, Time: time.UnixMilli(1795245600123), Key: []byte("a\tb"), Data: m.Data, Wire: json.RawMessage(wire)}
}

func printed(t *testing.T, p show.Printer) string {
	t.Helper()
	var out strings.Builder
	p.Out = &out
	if err := p.Record(record(t)); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestFields(t *testing.T) {
	t.Parallel()
	at := show.Time(time.UnixMilli(1795245600123))
	for fields, want := range map[string]string{
		"offset,key,data.price":                `7|a\tb|1.50`,
		".offset, .key ,.data.price":           `7|a\tb|1.50`,
		"data.items.0.id,.data.items[0].id":    `x|x`,
		".data.no,.data.missing,.data.text":    `null|-|two\nlines \\`,
		".data.items":                          `[{"id":"x"}]`,
		`.data["a b"]["c.d"],.data."a b"`:      `true|{"c.d":true}`,
		`.headers.x,.headers.y,.headers.z`:     `2|null|-`,
		`.headers["odd.name"],.headers[0][1]`:  `3|1`,
		".ts,.time,.type,.stream,partition":    "1795245600123|" + at + "|event|s|1",
		".encoding,.tombstone":                 "-|-",
		`.data.items.#.id,.data.@this,.data.*`: "-|-|-",
	} {
		paths, err := show.ParsePaths(fields)
		if err != nil {
			t.Errorf("%s: %v", fields, err)
			continue
		}
		if got := strings.ReplaceAll(printed(t, show.Printer{Form: show.Fields, Paths: paths}), "\t", "|"); got != want+"\n" {
			t.Errorf("%s: got %s, want %s", fields, got, want)
		}
	}
	paths, err := show.ParsePaths(".key,.data.text")
	if err != nil {
		t.Fatal(err)
	}
	if got := printed(t, show.Printer{Form: show.Fields, Paths: paths, Raw: true}); got != "a\tb\ttwo\nlines \\\n" {
		t.Errorf("raw: got %q", got)
	}
}

func TestFieldsThatAreWrong(t *testing.T) {
	t.Parallel()
	for fields, want := range map[string]string{
		"":            "a name is missing",
		"key,":        "a name is missing",
		".data..a":    "a name is missing",
		"price":       "an event has the fields stream, ",
		".key.x":      "there is nothing in key",
		".data[x]":    "expected a number",
		`.data["x]`:   "expected a number",
		".data[0":     "expected a number",
		".data[]":     "expected a number",
		".data .key":  "separated by commas",
		`.data["\q"]`: "expected a number",
		".data]":      "-",
	} {
		if _, err := show.ParsePaths(fields); want != "-" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: got %v, want %s", fields, err, want)
		}
	}
	if place, err := show.ParsePlace(`.a["b.c"][0]`); err != nil || place != `a.b\.c.0` {
		t.Errorf("got %s, %v", place, err)
	}
	if _, err := show.ParsePlace("a,b"); err == nil {
		t.Error("two places are taken for one")
	}
}

func FuzzParsePaths(f *testing.F) {
	for _, text := range []string{".data.price,key", `.data["a b"][0]`, ".headers.x"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		paths, err := show.ParsePaths(text)
		if err != nil {
			return
		}
		var out strings.Builder
		p := show.Printer{Out: &out, Form: show.Fields, Paths: paths}
		if err := p.Record(record(t)); err != nil || strings.Count(out.String(), "\t") != len(paths)-1 {
			t.Errorf("%q: %q, %v", text, out.String(), err)
		}
	})
}

func TestForms(t *testing.T) {
	t.Parallel()
	if got := printed(t, show.Printer{Form: show.Wire}); got != wire+"\n" {
		t.Errorf("as on the wire: got %s", got)
	}
	if got := printed(t, show.Printer{Form: show.Values}); !strings.HasPrefix(got, `{"price":1.50,`) {
		t.Errorf("values: got %s", got)
	}
	got := printed(t, show.Printer{})
	if want := `{"stream":"s","partition":1,"offset":7,"time":"` + show.Time(time.UnixMilli(1795245600123)) + `","key":"a\tb","headers":[["x","1"],["y",null],["x","2"],["odd.name","3"]],"data":{"price":1.50,`; !strings.HasPrefix(got, want) {
		t.Errorf("lines: got %s, want %s", got, want)
	}
	if got := printed(t, show.Printer{Form: show.Wire, Color: true}); !strings.HasPrefix(got, "{\x1b[34m\"type\"\x1b[0m:") {
		t.Errorf("in colours: got %q", got)
	}
}

// TestLinesKeepBytes: what is not UTF-8 is shown in base64, as on the wire.
func TestLinesKeepBytes(t *testing.T) {
	t.Parallel()
	r := record(t)
	r.Wire = json.RawMessage(`{"type":"event","ts":null,"key":"/w==","key_encoding":"base64","headers":[["h","/w==","base64"]],"data":null,"undecrypted":["data"]}`)
	r.Data, r.Time, r.Undecrypted = json.RawMessage("null"), time.Time{}, []string{"data"}
	var out strings.Builder
	p := show.Printer{Out: &out}
	if err := p.Record(r); err != nil {
		t.Fatal(err)
	}
	want := `"time":null,"key":"/w==","key_encoding":"base64","headers":[["h","/w==","base64"]],"data":null,"undecrypted":["data"]}`
	if !strings.Contains(out.String(), want) {
		t.Errorf("got %s, want %s", out.String(), want)
	}
}

func TestEventsOnTheWire(t *testing.T) {
	t.Parallel()
	gap := client.Gap{Stream: "orders", Partition: 2, From: 5, To: 9, Reason: "retention"}
	away := client.Status{Stream: "orders", Since: time.UnixMilli(1795245600000)}
	for want, event := range map[string]client.Event{
		`{"type":"gap","stream":"orders","partition":2,"from":5,"to":9,"reason":"retention"}` + "\n": gap,
		`{"type":"status","stream":"orders","live":false,"since":1795245600000}` + "\n":              away,
		`{"type":"status","stream":"orders","live":true}` + "\n":                                     client.Status{Stream: "orders", Live: true, Since: time.UnixMilli(0)},
		"": client.CaughtUp{},
	} {
		var out strings.Builder
		p := show.Printer{Out: &out, Form: show.Wire}
		if err := p.Event(event); err != nil || out.String() != want {
			t.Errorf("%v: got %s, %v", event, out.String(), err)
		}
		out.Reset()
		p.Form = show.Lines
		if err := p.Event(event); err != nil || out.String() != "" {
			t.Errorf("%v: printed without being asked for: %s, %v", event, out.String(), err)
		}
	}
	var out strings.Builder
	show.Remark(&out, gap)
	show.Remark(&out, away)
	if want := "sluice: offsets 5 to 8 of partition 2 of orders are missing: retention\nsluice: the stream is unavailable: the server cannot read Kafka\n"; out.String() != want {
		t.Errorf("got %s", out.String())
	}
}

func TestTally(t *testing.T) {
	t.Parallel()
	seen := show.Tally{Begun: time.Unix(100, 0)}
	for _, event := range []client.Event{client.Disconnected{}, client.Subscribed{}, client.Record{Data: []byte("12")}, client.Gap{From: 3, To: 5}, client.Record{}, client.Status{}, client.Disconnected{}, client.Disconnected{}} {
		seen.Note(event)
	}
	if got, want := seen.String(time.Unix(104, 0)), "2 records (2 B) in 4s, 0.5 a second; 1 gap of 2 offsets; 1 lost connection"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestReplay(t *testing.T) {
	t.Parallel()
	begun := time.Unix(1000, 0)
	at := func(second int64) client.Record { return client.Record{Time: time.Unix(second, 0)} }
	byTime := show.NewReplay("earliest", begun)
	if got := byTime.String(begun.Add(time.Second)); got != "replay: 0 records, 0 a second" {
		t.Errorf("at first: %s", got)
	}
	for _, second := range []int64{600, 700, 650} {
		byTime.Note(at(second))
	}
	byTime.Note(client.Record{}) // without a time
	if got, want := byTime.String(begun.Add(2*time.Second)), "replay: [#####...............]  25 %, 4 records, 2 a second, 6s left"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	byTime.Note(client.CaughtUp{})
	if !byTime.Over() {
		t.Error("it is not over")
	}
	byCount := show.NewReplay("last:4", begun)
	byCount.Note(at(990))
	if got, want := byCount.String(begun.Add(time.Second)), "replay: [#####...............]  25 %, 1 record, 1 a second, 3s left"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if !show.NewReplay("latest", begun).Over() {
		t.Error("latest replays nothing")
	}
}
