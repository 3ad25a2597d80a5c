package e2e_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"sluice/bench/stack"
)

// opened is a state of a page that somebody has opened by hand.
type opened struct {
	name, path string
	// steps are expressions that each do something, once they can, and are true then. After them the
	// state is there.
	steps []string
}

// typed sets a field to a text, as if it had been typed.
func typed(field, text string) string {
	return fmt.Sprintf(`(field => { field.value = %q; field.dispatchEvent(new Event("input", {bubbles: true})); return field.dispatchEvent(new Event("change", {bubbles: true})); })(document.querySelector(%q))`, text, field)
}

// click clicks an element once there is one, that has a text.
func click(selector, text string) string {
	return fmt.Sprintf(`(found => { found?.click(); return found !== undefined; })([...document.querySelectorAll(%q)].find((e) => e.textContent.startsWith(%q) && e.checkVisibility() && !e.disabled))`, selector, text)
}

// answering has the page believe in a stream with a schema of a type, which takes no record, as it
// breaks rules at some pointers.
func answering(contentType, schema, faults string) string {
	return fmt.Sprintf(`(real => {
		const json = (status, body, type = "application/json") => new Response(typeof body === "string" ? body : JSON.stringify(body), { status, headers: { "content-type": type } });
		window.fetch = async (path, init = {}) => {
			if (String(path).endsWith("v1/streams")) return json(200, { streams: [{ stream: "of.schema", partitions: 1, content: "json", publish: true, schema: true }] });
			if (String(path).endsWith("/schema")) return json(200, %q, %q);
			if (init.method === "POST") return json(422, { title: "Unprocessable", status: 422, code: "schema_violation", detail: "the record breaks rules of the stream's schema", errors: %s }, "application/problem+json");
			return real(path, init);
		};
		location.hash = "#publish?stream=of.schema";
		return true;
	})(fetch)`, schema, contentType, faults)
}

const violated = `document.querySelectorAll("#publish-form [aria-invalid=true]").length > 1 && document.querySelectorAll("#publish-faults li").length > 1`

// someRow chooses a row of Live.
const someRow = `(rows => { rows[3]?.click(); return rows.length > 5; })(document.querySelector(".pane")?.querySelectorAll(".row") ?? [])`

// withSession has sessions, of the page itself.
const withSession = `(window.read ??= new EventSource("v1/streams/market.ticks/events")).readyState === 1`

// withCursor stores a named cursor in chat.lobby, by a token of its own.
const withCursor = `(() => {
	window.stored ??= (async () => {
		const post = { method: "POST", headers: { "content-type": "application/json" } };
		const { token } = await (await fetch("v1/dev/tokens", { ...post, body: '{"claims":{"sub":"u42"},"subscribe":["*"],"replay":"unlimited"}' })).json();
		const { cursor } = await (await fetch("v1/streams/chat.lobby/records?from=earliest&limit=1")).json();
		window.put = (await fetch("v1/cursors/chat.lobby/inbox", { method: "PUT", headers: { "content-type": "application/json", authorization: "Bearer " + token }, body: JSON.stringify({ cursor }) })).status;
	})();
	return window.put === 200;
})()`

const (
	avroOfStates = `{"type": "record", "name": "Payment", "doc": "A payment", "fields": [
		{"name": "id", "type": "long"}, {"name": "name", "type": ["null", "string"], "default": null}, {"name": "kind", "type": {"type": "enum", "name": "Kind", "symbols": ["CARD", "CASH"]}},
		{"name": "amount", "type": {"type": "bytes", "logicalType": "decimal", "precision": 10, "scale": 2}}, {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
		{"name": "tags", "type": {"type": "map", "values": "string"}}, {"name": "lines", "type": {"type": "array", "items": ["int", "string"]}}]}`
	protobufOfStates = "syntax = \"proto3\"; package iot; message Reading { string device_id = 1; double temp_c = 2; map<string, int64> counts = 10; oneof source { string sensor = 12; Position place = 13; } message Position { double lat = 1; double lon = 2; } }"
	schemaOfStates   = `{"type": "object", "title": "An order", "required": ["kind", "id"], "properties": {"kind": {"const": "order"}, "id": {"type": "integer", "description": "Of the order"},
		"gift": {"type": "boolean"}, "card": {"type": "string"}, "labels": {"type": "object", "additionalProperties": {"type": "string"}, "patternProperties": {"^x-": {"type": "integer"}}},
		"pay": {"oneOf": [{"title": "card", "type": "object", "properties": {"number": {"type": "string"}}}, {"title": "cash", "type": "object"}]}, "lines": {"type": "array", "items": {"type": "object", "properties": {"sku": {"type": "string"}}}}},
		"dependentRequired": {"card": ["id"]}, "if": {"properties": {"gift": {"const": true}}, "required": ["gift"]}, "then": {"properties": {"paper": {"type": "string"}}, "required": ["paper"]}, "not": {"required": ["forbidden"]}}`
)

// states are what can be opened in the pages.
var states = []opened{
	{"a record in Live", "/#live?stream=iot.telemetry&from=last:50", []string{someRow, `document.querySelector(".cursor").textContent.startsWith("v1.")`}},
	{"a pattern in Live", "/#live?stream=*s&stream=shop.orders&from=last:50", []string{someRow, typed("#streams-search", "*o*s"), `document.querySelector(".pane .cursor").textContent.startsWith("v1.")`}},
	{"a pattern by itself", "/#live?stream=*s&from=last:50", []string{`document.querySelectorAll(".row").length > 10 && document.querySelector(".facts").textContent.startsWith("5 streams")`}},
	{"a fault in Live", "/#live?stream=market.ticks&filter=data.price%20%3E", []string{`document.querySelector(".fault")?.checkVisibility() ?? false`}},
	{"a form that the server refuses", "/#publish?stream=iot.telemetry", []string{
		`document.querySelectorAll("#publish-form input").length > 5`,
		typed("#publish-data", `{"seq": 1.5, "temp_c": 21.50, "position": {"lat": 91, "lon": 7}}`),
		`document.getElementById("publish").requestSubmit() ?? true`, violated,
	}},
	{"a form of a JSON Schema", "/#connect", []string{
		answering("application/schema+json", schemaOfStates, `[{ pointer: "/id", message: "must be an integer" }, { pointer: "/gift", message: "must be a boolean" }, { pointer: "/paper", message: "is missing" }]`),
		`document.querySelectorAll("#publish-form input").length > 0`,
		typed("#publish-data", `{"kind": "order", "id": 1.5, "gift": true, "paper": "red", "labels": {"x-a": 1, "b": "c"}, "pay": {"number": "4"}, "lines": [{"sku": "a"}, {"sku": "b"}]}`),
		`document.querySelectorAll("#publish-form .removable").length > 1`,
		`document.getElementById("publish").requestSubmit() ?? true`, violated,
	}},
	{"a form of Avro", "/#connect", []string{
		answering("application/vnd.apache.avro+json", avroOfStates, `[{ pointer: "/id", message: "must be a long" }, { pointer: "/amount", message: "has more than two decimal places" }]`),
		`document.querySelectorAll("#publish-form input").length > 2`,
		typed("#publish-data", `{"id": 1, "name": "a", "kind": "CARD", "amount": 1.505, "at": 1, "tags": {"a": "b"}, "lines": [1, "a"]}`),
		`document.querySelectorAll("#publish-form .removable").length > 1`,
		`document.getElementById("publish").requestSubmit() ?? true`, violated,
	}},
	{"a form of Protobuf", "/#connect", []string{
		answering("text/x-protobuf", protobufOfStates, `[{ pointer: "/deviceId", message: "must be a string" }, { pointer: "/tempC", message: "must be a number" }]`),
		`document.querySelectorAll("#publish-form input, #publish-form button").length > 2`,
		typed("#publish-data", `{"deviceId": "d", "tempC": 1, "counts": {"a": 1}, "place": {"lat": 1}}`),
		`document.querySelectorAll("#publish-form .removable").length > 0`,
		`document.getElementById("publish").requestSubmit() ?? true`, violated,
	}},
	{"a record that comes back", "/#publish?stream=chat.lobby", []string{
		click("#publish-more summary", ""), click("#publish-header-add", ""), `document.getElementById("publish-stream").value === "chat.lobby"`,
		click("#publish [type=submit]", ""), `document.getElementById("publish-echo-record").checkVisibility()`,
	}},
	{"the details of a session", "/#sessions", []string{withSession, click("#sessions-table .open", ""), `document.querySelector(".details .facts") !== null`}},
	{"the end of a session", "/#sessions", []string{withSession, click("#sessions-table .open", ""), click(".details button", "Kick"), `document.querySelector("dialog[open]") !== null`}},
	{"a cursor that is moved", "/#sessions?show=cursors", []string{
		withCursor, `[...document.getElementById("cursors-stream").options].some((o) => o.value === "chat.lobby")`, typed("#cursors-stream", "chat.lobby"),
		click("#cursors-table button", "Move"), `document.querySelector("dialog[open]") !== null`, typed("#move-kind", "offset"), `document.getElementById("move-offset").checkVisibility()`,
	}},
	{"a cursor that would be moved", "/#sessions?show=cursors", []string{
		withCursor, `[...document.getElementById("cursors-stream").options].some((o) => o.value === "chat.lobby")`, typed("#cursors-stream", "chat.lobby"),
		click("#cursors-table button", "Move"), click("#move-form [type=submit]", ""), `document.getElementById("move-yes").checkVisibility()`,
	}},
	{"a token that was made", "/#connect", []string{
		`document.getElementById("mint-subscribe")?.checkVisibility() ?? false`, click("#connect-mint-form [type=submit]", ""),
		`document.getElementById("connect-expiry")?.textContent.startsWith("in ") ?? false`, `document.querySelectorAll("#connect-rights tr").length > 3`,
	}},
	{"claims that are none", "/#connect", []string{
		`document.getElementById("mint-claims")?.checkVisibility() ?? false`, typed("#mint-claims", "[1"), click("#connect-mint-form [type=submit]", ""), `document.getElementById("mint-fault").textContent !== ""`,
	}},
	{"a trial", "/#connect", []string{
		`[...(document.getElementById("trial-stream")?.options ?? [])].some((o) => o.value === "market.ticks")`, `(document.getElementById("trial-stream").value = "market.ticks") !== ""`,
		click("#trial-start", ""), `document.getElementById("trial-state").textContent.includes("live") && document.querySelectorAll(".frame.in").length > 12`,
		click("#trial-drop", ""), `/^Resumed after/.test(document.querySelector(".verdict")?.textContent ?? "")`, `document.getElementById("trial-stop").click() ?? true`,
	}},
	{"results of a search", "/docs/start", []string{
		`document.querySelector("input[type=search]").focus() ?? true`, typed("input[type=search]", "cursor"), `document.querySelectorAll("#found-list a").length > 3`,
	}},
	{"an example that runs", "/docs/PROTOCOL", []string{
		click(".trial > button", "Run it here"), `document.querySelector(".trial form").checkVisibility()`, click(".trial [type=submit]", "Send"),
		`document.querySelector(".trial .answer").textContent.length > 20`,
	}},
	{"the table of a chart", "/#health", []string{
		`document.querySelectorAll("#view details").length > 0`, `(all => { for (const d of all) d.open = true; return true; })(document.querySelectorAll("#view details"))`,
		`document.querySelector("#view details table td") !== null`,
	}},
	{"what is withheld", "/#connect", []string{
		`document.getElementById("mint-subscribe")?.checkVisibility() ?? false`, click("#connect-mint-form [type=submit]", ""),
		`document.getElementById("connect-expiry")?.textContent.startsWith("in ") ?? false`, `(location.hash = "#health") !== ""`, `document.getElementById("view").dataset.view === "withheld" || document.title !== ""`,
	}},
}

// TestOpenedStatesAreAccessible: axe-core finds nothing in what is opened by hand in the pages, and
// no page scrolls sideways then, in both color schemes, on a wide screen and on a phone, and at 200 %.
func TestOpenedStatesAreAccessible(t *testing.T) {
	t.Parallel()
	stack.Check(t, stack.Install(t.Context(), "chromium"))
	axe := axeCore(t)
	address, stop, err := stack.StartDev(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	for _, width := range []int64{1280, 640, 390} {
		t.Run(fmt.Sprint(width), func(t *testing.T) {
			t.Parallel()
			ctx := within(t, 6*time.Minute)
			tab := openBrowser(ctx, t)
			for _, s := range states {
				t.Run(s.name, func(t *testing.T) {
					visit(tab, t, "http://"+address+s.path, width, "light")
					for _, step := range s.steps {
						waitIn(withinOf(ctx, t, 30*time.Second), tab, t, step)
					}
					if width == 640 { // 1280 pixels at a zoom of 200 %
						fits(tab, t, width)
						picture(tab, t, fmt.Sprint(s.name, " ", width))
						return
					}
					for _, scheme := range []string{"light", "dark"} {
						prefer(tab, t, scheme)
						examine(ctx, tab, t, axe, width)
						picture(tab, t, fmt.Sprint(s.name, " ", width, " ", scheme))
					}
				})
			}
		})
	}
}

// withinOf bounds the time of a part of a test.
func withinOf(ctx context.Context, t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, d)
	t.Cleanup(cancel)
	return ctx
}
