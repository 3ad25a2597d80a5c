package transport_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"sluice/hub/ingest"
	"sluice/hub/schema"
	"sluice/transport"
)

const orderSchema = `{
  "type": "object",
  "required": ["total"],
  "properties": {"total": {"type": "number", "minimum": 0}, "lines": {"items": {"required": ["sku"]}}}
}
`

// withSchema gives orders and hidden a schema.
func withSchema(t *testing.T) options {
	t.Helper()
	compiled, err := schema.Compile([]byte(orderSchema))
	if err != nil {
		t.Fatal(err)
	}
	return options{config: func(c *transport.Config) {
		c.Ingest = ingest.New(c.Hub, nil, nil)
		own := ingest.Stream{
			Steps:  []ingest.Step{ingest.Conforms{Schema: compiled, Turns: ingest.NewTurns(1), Limits: schema.Limits{Steps: 10_000, Violations: 3}}},
			Schema: ingest.Fixed(compiled),
		}
		c.Ingest.SetStreams(map[string]ingest.Stream{"orders": own, "hidden": own})
	}}
}

// showSchema gives orders a schema that nothing is checked against.
func showSchema(c *transport.Config) {
	compiled, err := schema.Compile([]byte("true"))
	if err != nil {
		panic(err)
	}
	c.Ingest = ingest.New(c.Hub, nil, nil)
	c.Ingest.SetStreams(map[string]ingest.Stream{"orders": {Schema: ingest.Fixed(compiled)}})
}

// TestSchemaIsServed: byte for byte, to everybody who may read or publish, and to nobody
// else.
func TestSchemaIsServed(t *testing.T) {
	t.Parallel()
	in := start(t, withSchema(t))
	const path = "/v1/streams/orders/schema"
	live := token(t, "u42", "live", time.Hour)
	for name, tok := range map[string]string{"reads and publishes": live, "reads": token(t, "u", "brief", time.Hour), "publishes": token(t, "u", "write", time.Hour)} {
		status, head, body := in.do(http.MethodGet, path, tok, "")
		if status != http.StatusOK || body != orderSchema || head.Get("Content-Type") != "application/schema+json" || head.Get("Cache-Control") != "private, no-cache" {
			t.Errorf("%s: %d %v %s", name, status, head, body)
		}
		tag := head.Get("ETag")
		if !strings.HasPrefix(tag, `"`) {
			t.Errorf("%s: the tag is %s", name, tag)
		}
		status, head, body = in.do(http.MethodGet, path, tok, "", "If-None-Match", `"other", `+tag)
		if status != http.StatusNotModified || body != "" || head.Get("ETag") != tag {
			t.Errorf("%s: with its tag: %d %v %s", name, status, head, body)
		}
	}
	status, head, body := in.do(http.MethodHead, path, live, "")
	if status != http.StatusOK || body != "" || head.Get("Content-Length") == "" {
		t.Errorf("HEAD: %d %v", status, head)
	}
	for name, tok := range map[string]string{"anonymous": "", "no right": token(t, "n", "nothing", time.Hour)} {
		status, head, body = in.do(http.MethodGet, path, tok, "")
		in.problem(t, status, head, body, http.StatusNotFound, "unknown_stream")
		if _, _, other := in.do(http.MethodGet, "/v1/streams/nope/schema", tok, ""); other != body {
			t.Errorf("%s: %s, and of a stream that does not exist %s", name, body, other)
		}
	}
	status, head, body = in.do(http.MethodGet, "/v1/streams/public.news/schema", live, "")
	in.problem(t, status, head, body, http.StatusNotFound, "no_schema")
	if _, _, body := in.do(http.MethodGet, "/v1/streams/orders", live, ""); !strings.Contains(body, `"schema":"application/schema+json"`) {
		t.Errorf("the stream is described as %s", body)
	}
	if _, _, body := in.do(http.MethodGet, "/v1/streams/public.news", live, ""); strings.Contains(body, "schema") {
		t.Errorf("the stream without schema is described as %s", body)
	}
}

// TestViolationsAreTold: over HTTP and WebSocket alike, and counted.
func TestViolationsAreTold(t *testing.T) {
	t.Parallel()
	in := start(t, withSchema(t))
	live := token(t, "u42", "live", time.Hour)
	const errors = `"errors":[{"pointer":"/total","message":"must be at least 0"},{"pointer":"/lines/1","message":"must have the property \"sku\""}]`
	const data = `{"total":-1,"lines":[{"sku":"a"},{}]}`
	status, head, body := in.do(http.MethodPost, publishPath, live, `{"data":`+data+`}`, "Content-Type", "application/json")
	m := in.problem(t, status, head, body, http.StatusUnprocessableEntity, "invalid")
	if m.str("detail") != "/total must be at least 0 (and 1 more)" || !strings.Contains(body, errors) {
		t.Errorf("got %s", body)
	}
	c := in.dial("", live)
	c.until("welcome")
	c.send(`{"type":"publish","id":"p","stream":"orders","data":%s}`, data)
	if got := c.until("error"); got.str("code") != "invalid" || len(got["errors"].([]any)) != 2 {
		t.Errorf("got %v", got)
	}
	c.send(`{"type":"publish","id":"q","stream":"orders","records":[{"data":{}},{"data":{"total":1}},{"data":{"total":1,"lines":[1,{},{},{},{}]}}]}`)
	got := c.until("published")
	results := got["results"].([]any)
	if got["failed"] != 2.0 || results[0].(map[string]any)["code"] != "invalid" || results[1].(map[string]any)["code"] != nil ||
		results[2].(map[string]any)["message"] != `/lines/1 must have the property "sku" (and at least 2 more)` {
		t.Errorf("got %v", got)
	}
	for reason, want := range map[string]float64{"minimum": 2, "required": 2} {
		if n := in.metric(`sluice_invalid_records_total{reason="` + reason + `"}`); n != want {
			t.Errorf("%v records are counted as %s, want %v", n, reason, want)
		}
	}
}
