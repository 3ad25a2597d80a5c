package web_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"sluice/web"
)

// messageID is what a record is stored once under, which differs each time.
var messageID = regexp.MustCompile(`"message_id":"\w{32}",`)

// schemaText is the schema of a stream: a media type, and a text.
type schemaText struct{ kind, text string }

// answer is what a publish is answered with.
type answer struct {
	status int
	body   string
}

// publishing is a server with streams that have schemas. Publishes are answered with
// answers, in turn, and then with offsets from 41 on.
type publishing struct {
	schemas map[string]schemaText

	mu        sync.Mutex
	answers   []answer
	published []string
	last      string // the newest record
}

func (p *publishing) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	parts := strings.Split(r.URL.Path, "/")
	switch {
	case r.URL.Path == "/v1/principal":
		_, _ = io.WriteString(w, `{"principal":"","tenant":"","anonymous":true,"admin":false}`)
	case r.URL.Path == "/v1/streams":
		streams := []map[string]any{{"stream": "plain", "publish": true, "subscribe": true}, {"stream": "read.only", "publish": false}}
		for name, schema := range p.schemas {
			streams = append(streams, map[string]any{"stream": name, "publish": true, "subscribe": true, "content": "json", "schema": schema.kind})
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"streams": streams})
	case strings.HasSuffix(r.URL.Path, "/schema"):
		schema := p.schemas[parts[3]]
		w.Header().Set("Content-Type", schema.kind)
		_, _ = io.WriteString(w, schema.text)
	case r.Method == http.MethodPost:
		body, _ := io.ReadAll(r.Body)
		p.answer(w, parts[3], string(body))
	case strings.HasSuffix(r.URL.Path, "/events"):
		w.Header().Set("Content-Type", "application/x-ndjson")
		p.mu.Lock()
		last := p.last
		p.mu.Unlock()
		_, _ = fmt.Fprintf(w, `{"type":"ready"}`+"\n%s\n", last)
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	case strings.HasSuffix(r.URL.Path, "/records"):
		_, _ = io.WriteString(w, `{"records":[{"type":"event","stream":"plain","partition":0,"offset":7,"ts":1,"key":"k7","headers":[["trace","7f"],["none",null]],"data":{"n":9007199254740993,"x":1.10}}],"gaps":[],"cursor":"v1.a","caught_up":true}`)
	default:
		web.Handler().ServeHTTP(w, r)
	}
}

func (p *publishing) answer(w http.ResponseWriter, stream, body string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.published = append(p.published, body)
	if len(p.answers) > 0 {
		a := p.answers[0]
		p.answers = p.answers[1:]
		w.WriteHeader(a.status)
		_, _ = io.WriteString(w, a.body)
		return
	}
	var record struct{ Data json.RawMessage }
	_ = json.Unmarshal([]byte(body), &record)
	offset := 40 + len(p.published)
	var data bytes.Buffer
	_ = json.Compact(&data, record.Data)
	p.last = fmt.Sprintf(`{"type":"event","stream":%q,"partition":2,"offset":%d,"ts":1,"key":null,"data":%s}`, stream, offset, &data)
	_, _ = fmt.Fprintf(w, `{"partition":2,"offset":%d,"ts":1}`, offset)
}

// bodies returns what has been published, without the message ids, and the ids.
func (p *publishing) bodies() (bodies, ids []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, body := range p.published {
		_, id, _ := strings.Cut(messageID.FindString(body), `:"`)
		ids = append(ids, strings.TrimSuffix(id, `",`))
		bodies = append(bodies, messageID.ReplaceAllString(body, ""))
	}
	return bodies, ids
}

// publishAt opens the view Publish for a stream, in a page whose exceptions fail the test.
func publishAt(t *testing.T, p *publishing, stream string) (context.Context, string) {
	t.Helper()
	ctx := browser(t)
	server := httptest.NewServer(p)
	t.Cleanup(server.Close)
	noExceptions(ctx, t)
	if err := chromedp.Do(ctx, chromedp.Navigate(server.URL+"/#publish?stream="+stream)); err != nil {
		t.Fatal(err)
	}
	until(ctx, t, fmt.Sprintf(`document.getElementById("publish-stream")?.value === %q`, stream))
	return ctx, server.URL
}

// noExceptions fails the test for each exception that nothing in the page catches.
func noExceptions(ctx context.Context, t *testing.T) {
	t.Helper()
	err := chromedp.Listen(ctx, func(event any) {
		if thrown, ok := event.(*runtime.EventExceptionThrown); ok {
			t.Errorf("%s:%d: %s %+v", thrown.ExceptionDetails.URL, thrown.ExceptionDetails.LineNumber, thrown.ExceptionDetails.Text, thrown.ExceptionDetails.Exception)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
}

// typing sets a control that a selector finds, as if somebody had typed.
func typing(ctx context.Context, t *testing.T, selector, text string) {
	t.Helper()
	run(ctx, t, fmt.Sprintf(`const c = document.querySelector(%q); c.value = %q; c.dispatchEvent(new Event("input", {bubbles: true})); c.dispatchEvent(new Event("change", {bubbles: true}))`, selector, text))
}

// labelled is a selector of the control of the field with a label, within the form.
func labelled(label string) string {
	return fmt.Sprintf(`(() => { const l = [...document.querySelectorAll("#publish-form label")].find((l) => l.firstChild.textContent === %q); return document.getElementById(l?.htmlFor); })()`, label)
}

// set types into the field of the form with a label.
func set(ctx context.Context, t *testing.T, label, text string) {
	t.Helper()
	until(ctx, t, labelled(label)+" !== null")
	run(ctx, t, fmt.Sprintf(`const c = %s; if (c.tagName === "SELECT") c.value = [...c.options].find((o) => o.text === %[2]q).value; else c.value = %[2]q;
		c.dispatchEvent(new Event("input", {bubbles: true})); c.dispatchEvent(new Event("change", {bubbles: true}))`, labelled(label), text))
}

// press presses the first button with a label that is visible.
func press(ctx context.Context, t *testing.T, label string) {
	t.Helper()
	found := fmt.Sprintf(`[...document.querySelectorAll("#view button")].find((b) => (b.getAttribute("aria-label") ?? b.textContent) === %q && b.checkVisibility())`, label)
	until(ctx, t, found+" !== undefined")
	run(ctx, t, found+".click()")
}

// dataIs waits until the value, in one line, is a text.
func dataIs(ctx context.Context, t *testing.T, want string) {
	t.Helper()
	until(ctx, t, fmt.Sprintf(`document.getElementById("publish-data").value.replace(/\s+/g, "") === %q`, want))
}

const submit = `document.getElementById("publish").requestSubmit()`

const resultHas = `document.getElementById("publish-result").textContent.includes`

func demoSchema(t *testing.T) schemaText {
	t.Helper()
	text, err := os.ReadFile("../cmd/sluice/embedded/telemetry.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return schemaText{"application/schema+json", string(text)}
}

// The form of the demo's schema and the text follow each other, digits stay as typed, what
// the server refuses appears at its fields, and the record is shown as it comes back.
func TestPublishWithASchema(t *testing.T) {
	t.Parallel()
	p := &publishing{schemas: map[string]schemaText{"iot.telemetry": demoSchema(t)}}
	ctx, _ := publishAt(t, p, "iot.telemetry")

	// What is required is there from the start.
	dataIs(ctx, t, `{"temp_c":0}`)
	until(ctx, t, `document.querySelectorAll("#publish-form [aria-required]").length === 1`)
	set(ctx, t, "temp_c", "21.50")
	dataIs(ctx, t, `{"temp_c":21.50}`)
	set(ctx, t, "seq", "9007199254740993")
	set(ctx, t, "device", "pump-7")
	press(ctx, t, "Add position")
	until(ctx, t, `document.activeElement.closest("#publish-form") !== null`)
	set(ctx, t, "lat", "91")
	dataIs(ctx, t, `{"temp_c":21.50,"seq":9007199254740993,"device":"pump-7","position":{"lat":91,"lon":0}}`)
	// A text that is no number is refused where it stands, and the value stays.
	set(ctx, t, "lat", "north")
	until(ctx, t, labelled("lat")+`.getAttribute("aria-invalid") === "true"`)
	run(ctx, t, submit)
	until(ctx, t, resultHas+`("no value of its kind") && document.activeElement === `+labelled("lat"))
	set(ctx, t, "lat", "91")

	// The text wins, with what the schema does not know.
	typing(ctx, t, "#publish-data", `{"temp_c": 1.10, "position": {"lat": 91, "lon": 7.0}, "extra": [1]}`)
	until(ctx, t, labelled("lon")+`.value === "7.0" && `+labelled("temp_c")+`.value === "1.10" && `+labelled("device")+`.value === ""`)
	set(ctx, t, "site", "north")
	dataIs(ctx, t, `{"temp_c":1.10,"position":{"lat":91,"lon":7.0},"extra":[1],"site":"north"}`)
	typing(ctx, t, "#publish-data", `{"temp_c": 1.10, `)
	until(ctx, t, `document.getElementById("publish-form").disabled && document.getElementById("publish-data").getAttribute("aria-invalid") === "true"`)
	typing(ctx, t, "#publish-data", `{"position": {"lat": 91, "lon": 7.0}}`)
	until(ctx, t, `!document.getElementById("publish-form").disabled`)

	set(ctx, t, "lat", "far")
	run(ctx, t, submit)
	until(ctx, t, resultHas+`("no value of its kind") && document.activeElement === `+labelled("lat"))
	set(ctx, t, "lat", "91")

	p.answers = []answer{{http.StatusUnprocessableEntity, `{"status":422,"code":"invalid","detail":"must have the property \"temp_c\" (and 1 more)","errors":[{"pointer":"","message":"must have the property \"temp_c\""},{"pointer":"/position/lat","message":"must be at most 90"}]}`}}
	run(ctx, t, submit)
	until(ctx, t, `document.querySelectorAll("#publish-faults li").length === 2 && document.activeElement === `+labelled("temp_c"))
	until(ctx, t, labelled("lat")+`.getAttribute("aria-describedby").split(" ").some((id) => document.getElementById(id)?.textContent === "must be at most 90")`)
	until(ctx, t, labelled("lat")+`.getAttribute("aria-invalid") === "true"`)
	picture(ctx, t, "publish-faults")
	set(ctx, t, "lat", "47")
	until(ctx, t, labelled("lat")+`.getAttribute("aria-invalid") === null`)
	set(ctx, t, "temp_c", "1e3")

	run(ctx, t, submit)
	until(ctx, t, resultHas+`("Stored in partition 2 at offset 42")`)
	until(ctx, t, `document.getElementById("publish-echo-record").textContent.includes('"lon": 7.0')`)
	picture(ctx, t, "publish-form")
	bodies, ids := p.bodies()
	if want := "{\"data\":{\n  \"position\": {\n    \"lat\": 47,\n    \"lon\": 7.0\n  },\n  \"temp_c\": 1e3\n}}"; bodies[1] != want || ids[0] == ids[1] || ids[1] == "" {
		t.Errorf("published %q with the ids %q, want %q", bodies, ids, want)
	}

	// On a phone, in dark, with a form.
	run(ctx, t, `document.getElementById("theme").click(); document.getElementById("publish-sample").click()`)
	until(ctx, t, labelled("pressure_hpa")+`.value === "500"`)
	if err := chromedp.Do(ctx, chromedp.EmulateViewport(390, 844)); err != nil {
		t.Fatal(err)
	}
	until(ctx, t, `document.documentElement.scrollWidth <= 390`)
	picture(ctx, t, "publish-phone")
	// All controls have a name, and ids are of one element.
	until(ctx, t, `[...document.querySelectorAll("#publish :is(input, select, textarea)")].every((c) => c.labels?.length || c.getAttribute("aria-label"))`)
	until(ctx, t, `new Set([...document.querySelectorAll("[id]")].map((e) => e.id)).size === document.querySelectorAll("[id]").length`)
	run(ctx, t, `document.getElementById("publish-live").click()`)
	until(ctx, t, `location.hash === "#live?stream=iot.telemetry&from=offset%3A2%3A42" || location.hash.includes("from=offset%3A2%3A42")`)
}

// A record whose outcome is not known is sent again with its id, and a new one has another.
func TestPublishUnknown(t *testing.T) {
	t.Parallel()
	const unknown = `{"status":504,"code":"publish_unknown","detail":"no answer","retryable":true,"action":"resume","retry_after_ms":1}`
	p := &publishing{answers: []answer{{http.StatusBadGateway, "a proxy"}, {http.StatusGatewayTimeout, unknown}, {http.StatusGatewayTimeout, unknown}, {200, `{"partition":0,"offset":3,"duplicate":true}`}}}
	ctx, _ := publishAt(t, p, "plain")
	typing(ctx, t, "#publish-key", "k")
	typing(ctx, t, "#publish-data", `{"n": 90071992547409931}`)
	run(ctx, t, submit)
	until(ctx, t, resultHas+`("not known whether")`)
	typing(ctx, t, "#publish-data", `{"n": 2}`)
	press(ctx, t, "Try again with the same id")
	until(ctx, t, resultHas+`("offset 3") && document.getElementById("publish-result").textContent.includes("before")`)
	run(ctx, t, submit)
	until(ctx, t, resultHas+`("offset 45")`)
	bodies, ids := p.bodies()
	for i := range 4 {
		if bodies[i] != `{"key":"k","data":{"n": 90071992547409931}}` || ids[i] != ids[0] {
			t.Errorf("attempt %d: %s with the id %s, not %s", i+1, bodies[i], ids[i], ids[0])
		}
	}
	if len(ids) != 5 || ids[4] == ids[0] || bodies[4] != `{"key":"k","data":{"n": 2}}` {
		t.Errorf("published %q with the ids %q", bodies, ids)
	}

	// A stream that takes no ids is asked once more, without.
	p.mu.Lock()
	p.answers = []answer{{400, `{"status":400,"code":"bad_request","detail":"no ids"}`}, {200, `{"partition":0,"offset":9}`}, {http.StatusBadGateway, "a proxy"}}
	p.mu.Unlock()
	run(ctx, t, submit)
	until(ctx, t, resultHas+`("offset 9")`)
	run(ctx, t, submit)
	until(ctx, t, resultHas+`("may store it twice")`)
	if _, ids = p.bodies(); len(ids) != 8 || ids[6] != "" || ids[7] != "" {
		t.Errorf("the ids are %q", ids)
	}
}

// Headers, a timestamp, kinds of values, the last record, templates and dead letters.
func TestPublishRecords(t *testing.T) {
	t.Parallel()
	p := &publishing{}
	ctx, url := publishAt(t, p, "plain")
	press(ctx, t, "Last record")
	dataIs(ctx, t, `{"n":9007199254740993,"x":1.10}`)
	until(ctx, t, `document.getElementById("publish-key").value === "k7" && document.querySelectorAll(".header").length === 2`)
	press(ctx, t, "Add a header")
	typing(ctx, t, ".header:last-child input", "authorization")
	typing(ctx, t, ".header:last-child input:nth-child(2)", "Bearer secret-of-mine")
	typing(ctx, t, "#publish-ts", "2026-11-29T12:00:00Z")
	press(ctx, t, "Save as template")
	typing(ctx, t, "#publish-template-name", "seven")
	press(ctx, t, "Save")
	until(ctx, t, `document.getElementById("publish-note").textContent.includes("without the headers")`)
	until(ctx, t, `!JSON.stringify({...localStorage}).includes("secret-of-mine")`)
	run(ctx, t, submit)
	until(ctx, t, resultHas+`("offset 41")`)
	typing(ctx, t, "#publish-kind", "text")
	typing(ctx, t, "#publish-data", "grüße")
	run(ctx, t, submit)
	until(ctx, t, resultHas+`("offset 42")`)
	typing(ctx, t, "#publish-kind", "tombstone")
	run(ctx, t, submit)
	until(ctx, t, resultHas+`("offset 43")`)
	bodies, _ := p.bodies()
	rest := `"key":"k7","headers":[["trace","7f"],["none",null],["authorization","Bearer secret-of-mine"]],"ts":1795953600000,`
	for i, want := range []string{
		"{" + rest + "\"data\":{\n  \"n\": 9007199254740993,\n  \"x\": 1.10\n}}", "{" + rest + `"encoding":"base64","data":"Z3LDvMOfZQ=="}`, "",
	} {
		if want != "" && bodies[i] != want {
			t.Errorf("published %q, want %q", bodies[i], want)
		}
	}
	if !strings.HasSuffix(bodies[2], `"tombstone":true}`) {
		t.Errorf("published %q", bodies[2])
	}

	// The template is there after a reload, and can be deleted.
	if err := chromedp.Do(ctx, chromedp.Navigate("about:blank"), chromedp.Navigate(url+"/#publish?stream=plain")); err != nil {
		t.Fatal(err)
	}
	until(ctx, t, `document.getElementById("publish-templates")?.options.length === 2`)
	typing(ctx, t, "#publish-templates", "seven")
	dataIs(ctx, t, `{"n":9007199254740993,"x":1.10}`)
	until(ctx, t, `document.querySelectorAll(".header").length === 2`)
	press(ctx, t, "Delete it")
	until(ctx, t, `document.getElementById("publish-templates").options.length === 1`)

	p.mu.Lock()
	p.answers = []answer{{202, `{"code":"dead_lettered","message":"too long","errors":[{"pointer":"","message":"too long"}]}`}}
	p.mu.Unlock()
	run(ctx, t, submit)
	until(ctx, t, `document.getElementById("publish-faults-title").textContent.includes("dead letter") && document.activeElement.id === "publish-faults"`)
}
