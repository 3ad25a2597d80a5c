package transport_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	sdk "github.com/cloudevents/sdk-go/v2"
	sdkhttp "github.com/cloudevents/sdk-go/v2/protocol/http"
	"github.com/coder/websocket"

	"sluice/transport"
)

// structuredStream is a stream whose CloudEvents are stored in the structured mode.
const structuredStream = "structured"

func storesStructured(c *transport.Config) {
	c.Structured = func(stream string) bool { return stream == structuredStream }
}

// TestCloudEventsOfTheSDK: events that the SDK of the project sends, in each content mode,
// are stored, and are read by it as they were.
func TestCloudEventsOfTheSDK(t *testing.T) {
	t.Parallel()
	in := start(t, options{open: []string{"binary", structuredStream}, config: storesStructured})
	made := func(id, kind string, data any) sdk.Event {
		e := sdk.NewEvent()
		e.SetID(id)
		e.SetSource("https://example.com/a b/ü")
		e.SetType("com.example.reading")
		e.SetSubject("pump-7 \"€\"")
		e.SetTime(time.Date(2026, 11, 29, 12, 0, 0, 500, time.UTC))
		e.SetDataSchema("https://example.com/schema")
		e.SetExtension("partitionkey", "pump-7")
		e.SetExtension("sequence", "5")
		if data != nil {
			if err := e.SetData(kind, data); err != nil {
				t.Fatal(err)
			}
		}
		return e
	}
	sent := []sdk.Event{
		made("json", sdk.ApplicationJSON, map[string]any{"temp_c": 21.7, "text": "a\nb"}), made("text", sdk.TextPlain, "plain \"text\""),
		made("bytes", "application/octet-stream", []byte{0, 255}), made("none", "", nil),
	}
	for _, stream := range []string{"binary", structuredStream} {
		path := "/v1/streams/" + stream + "/records"
		client, err := sdk.NewClientHTTP(sdkhttp.WithTarget(in.url+path), sdkhttp.WithClient(*in.client))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range sent {
			if result := client.Send(sdk.WithEncodingBinary(t.Context()), e); !sdk.IsACK(result) {
				t.Fatalf("%s in binary mode: %v", e.ID(), result)
			}
			if result := client.Send(sdk.WithEncodingStructured(t.Context()), e); !sdk.IsACK(result) {
				t.Fatalf("%s in structured mode: %v", e.ID(), result)
			}
		}
		req, err := sdkhttp.NewHTTPRequestFromEvents(t.Context(), in.url+path, sent)
		if err != nil {
			t.Fatal(err)
		}
		res, err := in.client.Do(req)
		if err != nil || res.StatusCode != http.StatusOK {
			t.Fatalf("a batch: %v %v", res, err)
		}
		_ = res.Body.Close()

		status, head, body := in.do(http.MethodGet, path+"?from=earliest", "", "", "Accept", "application/cloudevents-batch+json")
		var got []sdk.Event
		if err := json.Unmarshal([]byte(body), &got); err != nil || status != http.StatusOK || head.Get("Content-Type") != sdk.ApplicationCloudEventsBatchJSON {
			t.Fatalf("got %d %v %v %s", status, head, err, body)
		}
		if head.Get("Sluice-Cursor") == "" || head.Get("Sluice-Caught-Up") != "true" {
			t.Errorf("got %v", head)
		}
		if len(got) != 3*len(sent) {
			t.Fatalf("%s: got %d events of %d", stream, len(got), 3*len(sent))
		}
		for i, e := range got {
			want := sent[i/2%len(sent)]
			if i >= 2*len(sent) {
				want = sent[i-2*len(sent)]
			}
			if err := e.Validate(); err != nil || e.Context.String() != want.Context.String() || string(e.Data()) != string(want.Data()) {
				t.Errorf("%s, %d: got %s, want %s (%v)", stream, i, e, want, err)
			}
		}
		// The key is the partition key, also for other consumers.
		for _, r := range in.page(stream, "from=earliest", "").Records {
			if r.str("key") != "pump-7" {
				t.Errorf("%s: the key is %v", stream, r["key"])
			}
		}
	}
}

// TestCloudEventsRefused: what is no event, or ambiguous, is refused and not stored.
func TestCloudEventsRefused(t *testing.T) {
	t.Parallel()
	in := start(t, options{open: []string{"open"}})
	const minimal = `"specversion":"1.0","id":"1","source":"/s","type":"t"`
	binary := []string{"Ce-Specversion", "1.0", "Ce-Id", "1", "Ce-Source", "/s", "Ce-Type", "t"}
	for name, c := range map[string]struct {
		query, body string
		header      []string
		status      int
		says        string
	}{
		"an unknown version":  {"", `{` + strings.Replace(minimal, "1.0", "0.3", 1) + `}`, []string{"Content-Type", "application/cloudevents+json"}, 400, "specversion"},
		"another format":      {"", `x`, []string{"Content-Type", "application/cloudevents+avro"}, 415, "application/cloudevents+json"},
		"another charset":     {"", `{}`, []string{"Content-Type", "application/cloudevents+json; charset=latin1"}, 400, "UTF-8"},
		"two modes":           {"", `{` + minimal + `}`, append([]string{"Content-Type", "application/cloudevents+json"}, binary...), 400, "one or the other"},
		"a key":               {"?key=a", `{` + minimal + `}`, []string{"Content-Type", "application/cloudevents+json"}, 400, "key"},
		"a key, binary":       {"?key=a", `1`, binary, 400, "key"},
		"an id beside its id": {"", `1`, append([]string{"Idempotency-Key", "a"}, binary...), 400, "Idempotency-Key"},
		"lacks its id":        {"", `1`, binary[:2], 400, "id"},
		"a batch with a bad one": {
			"", `[{` + minimal + `},{}]`, []string{"Content-Type", "application/cloudevents-batch+json"}, 400, "/1/",
		},
	} {
		status, head, body := in.do(http.MethodPost, "/v1/streams/open/records"+c.query, "", c.body, c.header...)
		if m := in.problem(t, status, head, body, c.status, "bad_request"); !strings.Contains(body, c.says) {
			t.Errorf("%s: it says %v, want %q in it", name, m, c.says)
		}
	}
	if n := len(in.page("open", "from=earliest", "").Records); n != 0 {
		t.Errorf("%d records are stored", n)
	}
}

// TestCloudEventsOverAWebSocket: with the subprotocol cloudevents.json all messages are
// events, of the client and of the server.
func TestCloudEventsOverAWebSocket(t *testing.T) {
	t.Parallel()
	in := start(t, options{open: []string{"open"}})
	dial := func(query string) *websocket.Conn {
		c, res, err := websocket.Dial(t.Context(), in.url+"/v1/ws"+query, &websocket.DialOptions{ //nolint:bodyclose // the library has
			Subprotocols: []string{"cloudevents.json"}, HTTPHeader: http.Header{"Authorization": {"Bearer " + token(t, "u42", "live", time.Hour)}},
		})
		if err != nil {
			t.Fatal(err)
		}
		if res.Header.Get("Sec-WebSocket-Protocol") != "cloudevents.json" {
			t.Errorf("got %v", res.Header)
		}
		t.Cleanup(func() { _ = c.CloseNow() })
		return c
	}
	until := func(c *websocket.Conn, kind string) sdk.Event {
		t.Helper()
		for {
			_, b, err := c.Read(t.Context())
			if err != nil {
				t.Fatalf("before %s: %v", kind, err)
			}
			var e sdk.Event
			if err := json.Unmarshal(b, &e); err != nil || e.Validate() != nil {
				t.Fatalf("%s: %v %v", b, err, e.Validate())
			}
			if e.Type() == kind {
				return e
			}
		}
	}
	send := func(c *websocket.Conn, text string) {
		t.Helper()
		if err := c.Write(t.Context(), websocket.MessageText, []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	c := dial("?stream=open")
	until(c, "sluice.caught_up")
	send(c, `{"specversion":"1.0","id":"e1","source":"/s","type":"com.example.reading","data":{"n":1}}`)
	var answers [2]string
	for i := range answers {
		_, b, err := c.Read(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		answers[i] = string(b)
	}
	all := answers[0] + answers[1] // in either order
	if !strings.Contains(all, `{"specversion":"1.0","id":"e1","source":"/s","type":"com.example.reading","datacontenttype":"application/json","data":{"n":1}}`) ||
		!strings.Contains(all, `"type":"sluice.published"`) || !strings.Contains(all, `"data":{"type":"published","id":"e1","partition":0,"offset":0`) {
		t.Errorf("got %s", all)
	}
	in.publish("open", 0, 0, 1)
	if e := until(c, "sluice.record"); e.ID() != "0:1" || e.Source() != "/v1/streams/open" || e.Extensions()["partitionkey"] != "k0" {
		t.Errorf("got %s", e)
	}
	send(c, `{"specversion":"1.0","id":"e2","source":"/s"}`)
	if e := until(c, "sluice.error"); !strings.Contains(string(e.Data()), "bad_request") {
		t.Errorf("got %s", e)
	}
	nameless := dial("")
	send(nameless, `{"specversion":"1.0","id":"e3","source":"/s","type":"t"}`)
	if e := until(nameless, "sluice.error"); !strings.Contains(string(e.Data()), `"id":"e3"`) || !strings.Contains(string(e.Data()), "parameter stream") {
		t.Errorf("got %s", e)
	}
	go func() { _ = in.stop() }()
	until(c, "sluice.closing")
	if _, _, err := c.Read(t.Context()); websocket.CloseStatus(err) != 1012 {
		t.Errorf("got %v", err)
	}
}

// TestCloudEventsInAStream: a client that asks for CloudEvents is sent a line for each.
func TestCloudEventsInAStream(t *testing.T) {
	t.Parallel()
	in := start(t, options{open: []string{"open"}})
	in.publish("open", 0, 0, 2)
	s := in.events("/v1/streams/open/events?from=earliest", "", "Accept", "application/cloudevents+json")
	defer s.cancel()
	if got := s.res.Header.Get("Content-Type"); got != "application/x-ndjson" {
		t.Fatalf("the content type is %s", got)
	}
	var kinds []string
	for range 4 {
		line, err := s.lines.ReadBytes('\n')
		if err != nil {
			t.Fatal(err)
		}
		var e sdk.Event
		if err := json.Unmarshal(line, &e); err != nil || e.Validate() != nil {
			t.Fatalf("%s: %v %v", line, err, e.Validate())
		}
		kinds = append(kinds, e.Type())
	}
	if got := strings.Join(kinds, " "); got != "sluice.ready sluice.record sluice.record sluice.caught_up" {
		t.Errorf("got %s", got)
	}
	for accept, want := range map[string]string{
		"application/cloudevents+json, application/x-ndjson;q=0.5": "sluice.ready", "application/x-ndjson": "ready", "application/*": "ready",
	} {
		s := in.events("/v1/streams/open/events", "", "Accept", accept)
		line, _ := s.lines.ReadString('\n')
		if s.cancel(); !strings.Contains(line, `"type":"`+want+`"`) {
			t.Errorf("%s: got %s", accept, line)
		}
	}
}
