package cloudevents_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"testing"

	sdk "github.com/cloudevents/sdk-go/v2"

	"sluice/hub/event"
	"sluice/hub/ingest"
	"sluice/hub/record"
	"sluice/transport/wire"
	"sluice/transport/wire/cloudevents"
)

var limits = wire.Limits{MessageBytes: 64 << 10, Depth: 32, Keys: 100, Records: 3}

// text shows a record: its key, its headers and its value.
func text(m ingest.Message) string {
	var b strings.Builder
	for _, h := range m.Headers {
		fmt.Fprintf(&b, "%s=%s ", h.Name, h.Value)
	}
	return fmt.Sprintf("%s%s json=%v key=%q", b.String(), m.Value, m.JSON, m.Key)
}

const minimal = `"specversion":"1.0","id":"1","source":"/s","type":"t"`

// TestStructured: events in JSON, as they are stored in both modes.
func TestStructured(t *testing.T) {
	t.Parallel()
	const attributes = "ce_specversion=1.0 ce_id=1 ce_source=/s ce_type=t "
	for body, binary := range map[string]string{
		`{` + minimal + `}`: attributes + ` json=false key=""`,
		"{" + minimal + `, "data" : {"n":9007199254740993,"x": 1.0}}`:                         attributes + `content-type=application/json {"n":9007199254740993,"x": 1.0} json=true key=""`,
		`{` + minimal + `,"data":null}`:                                                       attributes + `content-type=application/json null json=true key=""`,
		`{` + minimal + `,"data":"a\nb","datacontenttype":"text/plain"}`:                      attributes + "content-type=text/plain a\nb json=false key=\"\"",
		`{` + minimal + `,"data":"<a/>","datacontenttype":"application/xml"}`:                 attributes + `content-type=application/xml <a/> json=false key=""`,
		`{` + minimal + `,"data":"a","datacontenttype":"application/vnd.x+json"}`:             attributes + `content-type=application/vnd.x+json "a" json=true key=""`,
		`{` + minimal + `,"data":[1],"datacontenttype":"text/plain"}`:                         attributes + `content-type=text/plain [1] json=true key=""`,
		`{` + minimal + `,"data_base64":"aGk=","datacontenttype":"image/png"}`:                attributes + `content-type=image/png hi json=false key=""`,
		`{` + minimal + `,"partitionkey":"k","n":-1,"b":true,"subject":"é","gone":null}`:      attributes + `ce_partitionkey=k ce_n=-1 ce_b=true ce_subject=é  json=false key="k"`,
		`{` + minimal + `,"time":"2026-11-29T12:00:00.5+01:00","dataschema":"https://x/y#z"}`: attributes + `ce_time=2026-11-29T12:00:00.5+01:00 ce_dataschema=https://x/y#z  json=false key=""`,
	} {
		e, fault := cloudevents.Parse([]byte("\n "+body+" "), limits)
		if fault != nil {
			t.Errorf("%s: %v", body, fault)
			continue
		}
		if m, fault := e.Record(false); fault != nil || text(m) != binary || m.Value == nil { // a tombstone would delete records
			t.Errorf("%s is stored as\n%s, want\n%s (%v)", body, text(m), binary, fault)
		}
		m, fault := e.Record(true)
		if fault != nil || string(m.Value) != body || !m.JSON || len(m.Headers) != 1 || string(m.Headers[0].Value) != cloudevents.MediaType {
			t.Errorf("%s is stored as %s (%v)", body, text(m), fault)
		}
	}
}

// TestRefusals: what is no event is refused with the name of what is wrong.
func TestRefusals(t *testing.T) {
	t.Parallel()
	with := func(more string) string { return `{` + minimal + `,` + more + `}` }
	without := func(name string) string {
		var m map[string]any
		_ = json.Unmarshal([]byte(`{`+minimal+`}`), &m)
		delete(m, name)
		b, _ := json.Marshal(m)
		return string(b)
	}
	for body, says := range map[string]string{
		`[]`: "object", `1`: "object", ``: "", `{`: "", "\xff": "UTF-8",
		without("id"): "/id", without("source"): "/source", without("type"): "/type", without("specversion"): "/specversion",
		strings.Replace(with(`"a":1`), "1.0", "0.3", 1):            "/specversion",
		strings.Replace(with(`"a":1`), `"id":"1"`, `"id":""`, 1):   "/id",
		strings.Replace(with(`"a":1`), `"id":"1"`, `"id":1`, 1):    "/id",
		strings.Replace(with(`"a":1`), `"/s"`, `"%zz"`, 1):         "/source",
		strings.Replace(with(`"a":1`), `"id":"1"`, `"id":null`, 1): "/id",
		with(`"Upper":"a"`): "lower-case", with(`"a_b":"a"`): "lower-case", with(`"":"a"`): "lower-case",
		with(`"time":"yesterday"`): "/time", with(`"dataschema":"relative"`): "/dataschema", with(`"datacontenttype":";"`): "/datacontenttype",
		with(`"a":1.5`): "/a", with(`"a":2147483648`): "/a", with(`"a":-0`): "/a", with(`"a":{}`): "/a", with(`"a":[]`): "/a",
		with(`"a":"\u0000"`): "/a", with(`"a":"\ud800"`): "/a", with(`"a":"\ufffe"`): "/a", with(`"a":""`): "/a",
		with(`"data":1,"data_base64":""`): "/data_base64", with(`"data_base64":"a"`): "/data_base64", with(`"data_base64":1`): "/data_base64",
		with(`"data":"\ud800","datacontenttype":"text/plain"`): "/data", with(`"id":"2"`): "duplicate",
		with(`"data":` + strings.Repeat("[", 40) + strings.Repeat("]", 40)):  "json_depth",
		with(`"a":"` + strings.Repeat("a", 64<<10) + `"`):                    "message_bytes",
		with(`"data":{` + strings.Repeat(`"a":1,`, 0) + manyKeys(200) + `}`): "json_keys",
	} {
		_, fault := cloudevents.Parse([]byte(body), limits)
		if fault == nil || !strings.Contains(fault.Message+fmt.Sprint(fault.Errors), says) {
			t.Errorf("%.80s: %v, want %q in it", body, fault, says)
		}
	}
}

func manyKeys(n int) string {
	var keys []string
	for i := range n {
		keys = append(keys, fmt.Sprintf(`"k%d":1`, i))
	}
	return strings.Join(keys, ",")
}

func TestBatches(t *testing.T) {
	t.Parallel()
	one := `{` + minimal + `}`
	for body, want := range map[string]string{
		`[]`: "0", ` [ ` + one + ` , ` + one + `] `: "2", `[` + one + `,` + one + `,` + one + `,` + one + `]`: "batch_records",
		`{}`: "array", `[1]`: "/0", `[` + one + `,{}]`: "/1/specversion", ``: "JSON", `[{"a":1,"a":2}]`: "duplicate",
		`[{` + minimal + `,"data":` + strings.Repeat("[", 31) + strings.Repeat("]", 31) + `}]`:              "1",
		`[{` + minimal + `,"data":` + strings.Repeat("[", 32) + strings.Repeat("]", 32) + `}]`:              "json_depth",
		`[{` + minimal + `,"data":{` + manyKeys(90) + `}},{` + minimal + `,"data":{` + manyKeys(90) + `}}]`: "2",
	} {
		events, fault := cloudevents.ParseBatch([]byte(body), limits)
		got := fmt.Sprint(len(events))
		if fault != nil {
			got = fmt.Sprint(fault.Message, fault.Errors)
		}
		if !strings.Contains(got, want) {
			t.Errorf("%.80s: got %s, want %s", body, got, want)
		}
	}
}

// TestHeaders: events in the binary mode over HTTP, as they are stored in both modes.
func TestHeaders(t *testing.T) {
	t.Parallel()
	base := http.Header{"Ce-Specversion": {"1.0"}, "Ce-Id": {"1"}, "Ce-Source": {"/s"}, "Ce-Type": {"t"}}
	with := func(more ...string) http.Header {
		h := maps.Clone(base)
		for i := 0; i < len(more); i += 2 {
			h[more[i]] = append(h[more[i]], more[i+1])
		}
		return h
	}
	const stored, inJSON = "ce_specversion=1.0 ce_id=1 ce_source=/s ce_type=t ", `{"specversion":"1.0","id":"1","source":"/s","type":"t"`
	for _, c := range []struct {
		header                   http.Header
		body, binary, structured string
	}{
		{with(), "", stored, inJSON + `}`},
		{with(), "\x00", stored + "\x00", inJSON + `,"data_base64":"AA=="}`},
		{with("Content-Type", "application/json"), "{\n}", stored + "content-type=application/json {\n}", inJSON + ",\"datacontenttype\":\"application/json\",\"data\":{\n}}"},
		{with("Content-Type", "application/json"), "{", stored + "content-type=application/json {", "the body is not JSON"},
		{with("Content-Type", "text/plain"), "a\"b", stored + "content-type=text/plain a\"b", inJSON + `,"datacontenttype":"text/plain","data":"a\"b"}`},
		{with("Content-Type", "text/plain; charset=latin1"), "a", stored + "content-type=text/plain; charset=latin1 a", inJSON + `,"datacontenttype":"text/plain; charset=latin1","data_base64":"YQ=="}`},
		{with("Content-Type", "image/png"), "a", stored + "content-type=image/png a", inJSON + `,"datacontenttype":"image/png","data_base64":"YQ=="}`},
		{with("Content-Type", "application/xml"), "<a/>", stored + "content-type=application/xml <a/>", inJSON + `,"datacontenttype":"application/xml","data":"<a/>"}`},
		{with("Content-Type", "image/svg+xml"), "<a/>", stored + "content-type=image/svg+xml <a/>", inJSON + `,"datacontenttype":"image/svg+xml","data":"<a/>"}`},
		{with("Content-Type", "application/xml"), "\xff", stored + "content-type=application/xml \xff", inJSON + `,"datacontenttype":"application/xml","data_base64":"/w=="}`},
		{with("Ce-Subject", "Euro%20%E2%82%AC%22"), "", "ce_specversion=1.0 ce_id=1 ce_source=/s ce_subject=Euro €\" ce_type=t ", ""},
		{with("Ce-Subject", `"a \"b\" %41"`), "", `ce_specversion=1.0 ce_id=1 ce_source=/s ce_subject=a "b" A ce_type=t `, ""},
	} {
		e, fault := cloudevents.FromHeaders(c.header, []byte(c.body))
		if fault != nil {
			t.Errorf("%v: %v", c.header, fault)
			continue
		}
		m, _ := e.Record(false)
		if got, _, _ := strings.Cut(text(m), " json="); got != c.binary {
			t.Errorf("%v is stored as %q, want %q", c.header, got, c.binary)
		}
		m, fault = e.Record(true)
		got := string(m.Value)
		if fault != nil {
			got = fault.Message
		}
		if !strings.HasPrefix(got, c.structured) || fault == nil && !json.Valid(m.Value) {
			t.Errorf("%v is stored as %s, want %s", c.header, got, c.structured)
		}
	}
	for _, h := range []http.Header{
		{"Ce-Id": {"1"}},
		with("Ce-Id", "2"), with("Ce-A-B", "1"), with("Ce-", "1"), with("Ce-Data", "1"), with("Ce-Datacontenttype", "a/b"),
		with("Ce-Subject", ""), with("Ce-Subject", "%zz"), with("Ce-Subject", "%ff"), with("Ce-Subject", "%00"), with("Ce-Subject", "\xff"),
		with("Ce-Time", "now"), with("Content-Type", "text"), with("Content-Type", ";"),
	} {
		if h.Get("Content-Type") == "text" {
			continue // valid for Go, and no matter
		}
		if _, fault := cloudevents.FromHeaders(h, nil); fault == nil {
			t.Errorf("%v is accepted", h)
		}
	}
}

// show returns how a record is shown to subscribers that ask for CloudEvents.
func show(t testing.TB, content event.Content, m ingest.Message) []byte {
	t.Helper()
	body, _, err := event.NewEncoder("a stream", content).Append(nil, &record.Record{
		Partition: 3, Offset: 5, Timestamp: 1795245600123, Key: m.Key, Headers: m.Headers, Value: m.Value,
	})
	if errors.Is(err, event.ErrUnreadable) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	return cloudevents.Append(nil, body)
}

// TestShown: events that were stored in either mode are shown as what they were, and other
// records as events of the server.
func TestShown(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		headers, key, value, want string
		content                   event.Content
	}{
		"JSON":          {"", "k", `{"n":1}`, `{"specversion":"1.0","type":"sluice.record","source":"/v1/streams/a%20stream","id":"3:5","time":"2026-11-21T07:20:00.123Z","partitionkey":"k","datacontenttype":"application/json","data":{"n":1}}`, ""},
		"text":          {"", "", `some "text"`, `"datacontenttype":"text/plain","data":"some \"text\""}`, ""},
		"bytes":         {"", "", "\xff", `"datacontenttype":"application/octet-stream","data_base64":"/w=="}`, ""},
		"no value":      {"", "k", "-", `{"specversion":"1.0","type":"sluice.tombstone","source":"/v1/streams/a%20stream","id":"3:5","time":"2026-11-21T07:20:00.123Z","partitionkey":"k"}`, ""},
		"half an event": {"ce_specversion=1.0,ce_id=1", "", `1`, `"type":"sluice.record"`, ""},
		"binary": {
			"ce_type=t,ce_specversion=1.0,ce_id=1,ce_source=/s,ce_x=y,other=z,content-type=application/json", "k", `{"n":1}`,
			`{"specversion":"1.0","type":"t","id":"1","source":"/s","x":"y","datacontenttype":"application/json","data":{"n":1}}`, "",
		},
		"binary, bad extension": {
			"ce_specversion=1.0,ce_id=1,ce_source=/s,ce_type=t,ce_A=1,ce_b=\n,ce_data=1,ce_id=2", "", `1`, `{"specversion":"1.0","id":"1","source":"/s","type":"t","data":1}`, "",
		},
		"binary, no data":   {"ce_specversion=1.0,ce_id=1,ce_source=/s,ce_type=t", "", ``, `{"specversion":"1.0","id":"1","source":"/s","type":"t"}`, ""},
		"binary, tombstone": {"ce_specversion=1.0,ce_id=1,ce_source=/s,ce_type=t", "", `-`, `{"specversion":"1.0","id":"1","source":"/s","type":"t"}`, ""},
		"binary, text": {
			"ce_specversion=1.0,ce_id=1,ce_source=/s,ce_type=t,content-type=text/plain", "", `12`, `"datacontenttype":"text/plain","data":"12"}`, "",
		},
		"binary, damaged JSON": {
			"ce_specversion=1.0,ce_id=1,ce_source=/s,ce_type=t,content-type=application/json", "", `{`, `"datacontenttype":"application/json","data_base64":"ew=="}`, "",
		},
		"structured":          {"content-type=application/cloudevents+json", "", `{` + minimal + `,"data":1}`, `{` + minimal + `,"data":1}`, ""},
		"structured, charset": {"content-type=application/cloudevents+json; charset=UTF-8", "", `{` + minimal + `}`, `{` + minimal + `}`, "json"},
		"structured, bytes":   {"content-type=application/cloudevents+json", "", "{\n" + minimal + `}`, `{ ` + minimal + `}`, "bytes"},
		"structured, damaged": {"content-type=application/cloudevents+json", "", `{"id":"1"}`, `"type":"sluice.record"`, ""},
		"structured, no JSON": {"content-type=application/cloudevents+json", "", `{"id`, `"type":"sluice.record"`, ""},
		"structured, a list":  {"content-type=application/cloudevents+json", "", `[1]`, `"type":"sluice.record"`, ""},
	} {
		m := ingest.Message{Value: []byte(c.value)}
		if c.value == "-" {
			m.Value = nil
		}
		if c.key != "" {
			m.Key = []byte(c.key)
		}
		for pair := range strings.SplitSeq(c.headers, ",") {
			if name, value, ok := strings.Cut(pair, "="); ok {
				m.Headers = append(m.Headers, record.Header{Name: []byte(name), Value: []byte(value)})
			}
		}
		got := show(t, c.content, m)
		if !strings.HasSuffix(string(got), c.want) && !strings.Contains(string(got), c.want) {
			t.Errorf("%s: got %s, want %s", name, got, c.want)
		}
		var e sdk.Event
		if err := json.Unmarshal(got, &e); err != nil || e.Validate() != nil {
			t.Errorf("%s: %s is no event: %v %v", name, got, err, e.Validate())
		}
	}
}
