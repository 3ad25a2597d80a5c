package web_test

import (
	"fmt"
	"strings"
	"testing"
)

const (
	jsonSchema   = "application/schema+json"
	avroSchema   = "application/vnd.apache.avro+json"
	protobufText = "text/x-protobuf"
)

// orderSchema has what a form must know of JSON Schema beyond the demo's.
const orderSchema = `{"$defs": {"money": {"type": "object", "required": ["amount"], "properties": {"amount": {"type": "number"}, "currency": {"enum": ["EUR", "USD"], "default": "EUR"}}},
  "node": {"type": "object", "properties": {"name": {"type": "string"}, "next": {"$ref": "#/$defs/node"}}}},
 "type": "object", "required": ["kind", "id", "lines", "pay", "list"],
 "properties": {
  "kind": {"const": "order"},
  "id": {"type": "integer", "default": 9007199254740993},
  "at": {"type": "string", "format": "date-time"},
  "gift": {"type": "boolean", "description": "Wrapped in paper"},
  "note": {"type": ["string", "null"]},
  "lines": {"type": "array", "minItems": 1, "items": {"allOf": [{"$ref": "#/$defs/money"}, {"required": ["sku"], "properties": {"sku": {"type": "string"}}}]}},
  "pay": {"oneOf": [
    {"title": "card", "type": "object", "required": ["type", "number"], "properties": {"type": {"const": "card"}, "number": {"type": "string"}}, "additionalProperties": false},
    {"title": "cash", "type": "object", "required": ["type"], "properties": {"type": {"const": "cash"}}, "additionalProperties": false}]},
  "list": {"$ref": "#/$defs/node"},
  "labels": {"type": "object", "additionalProperties": {"type": "string"}},
  "free": true}}`

func TestPublishFormOfAJSONSchema(t *testing.T) {
	t.Parallel()
	p := &publishing{schemas: map[string]schemaText{"orders": {jsonSchema, orderSchema}}}
	ctx, _ := publishAt(t, p, "orders")
	dataIs(ctx, t, `{"kind":"order","id":9007199254740993,"lines":[{"amount":0,"sku":"text"}],"pay":{"type":"card","number":"text"},"list":{}}`)
	// A default, a reference, and what is required by each part of an allOf.
	typing(ctx, t, "#publish-data", `{"kind": "order", "id": 1, "lines": [{"amount": 1.00, "sku": "a", "currency": "USD"}, {"amount": 2, "sku": "b"}], "pay": {"type": "cash"}, "list": {}}`)
	until(ctx, t, `document.querySelectorAll("#publish-form .removable").length === 2`)
	press(ctx, t, "Remove lines 1")
	press(ctx, t, "Add an item to lines")
	dataIs(ctx, t, `{"kind":"order","id":1,"lines":[{"amount":2,"sku":"b"},{"amount":0,"sku":"text"}],"pay":{"type":"cash"},"list":{}}`)
	// The alternatives, also of types, and a member with a name that is typed.
	set(ctx, t, "pay", "card")
	set(ctx, t, "number", "4000")
	set(ctx, t, "note", "null")
	set(ctx, t, "gift", "true")
	press(ctx, t, "Set at to now")
	press(ctx, t, "Add labels")
	typing(ctx, t, `#publish-form .adder input`, "region")
	press(ctx, t, "Add a member to labels")
	until(ctx, t, labelled("at")+`.value.endsWith("Z")`)
	set(ctx, t, "at", "")
	set(ctx, t, "free", `{"any": [1.0]}`)
	dataIs(ctx, t, `{"kind":"order","id":1,"lines":[{"amount":2,"sku":"b"},{"amount":0,"sku":"text"}],"pay":{"type":"card","number":"4000"},"list":{},"note":null,"gift":true,"labels":{"region":"text"},"free":{"any":[1.0]}}`)
	// A schema that refers to itself goes as far as somebody wants.
	press(ctx, t, "Add next")
	press(ctx, t, "Add next")
	until(ctx, t, `document.getElementById("publish-data").value.replace(/\s+/g, "").includes('"list":{"next":{"next":{}}}')`)
	// What is no value of the schema is shown as JSON.
	typing(ctx, t, "#publish-data", `{"kind": "other", "id": "x", "lines": 7, "pay": 1, "list": []}`)
	until(ctx, t, `[...document.querySelectorAll("#publish-form textarea")].length >= 4 && document.getElementById("publish-form").textContent.includes("not what the schema says")`)
	until(ctx, t, `document.querySelectorAll("[style]").length === 0`)
	picture(ctx, t, "publish-json-schema")
}

// varyingSchema has what holds for some values only, and members with names of their own.
const varyingSchema = `{"$defs": {"me": {"allOf": [{"$ref": "#/$defs/me"}], "if": {"$ref": "#/$defs/me"}, "then": {"$ref": "#/$defs/me"}}},
 "type": "object", "required": ["country", "color"], "properties": {
  "country": {"enum": ["DE", "US", "CH"]}, "zip": {"type": "string", "description": "Of the place"}, "card": {"type": "string"},
  "count": {"type": "integer", "not": {"const": 13}}, "color": {"type": "string", "not": {"anyOf": [{"enum": ["red", "blue"]}, {"type": "null"}]}},
  "tags": {"type": "object", "patternProperties": {"^n_": {"type": "integer"}, "^s_": {"type": "string"}, "^[0-9]+$": {"type": "boolean"}}, "additionalProperties": false},
  "more": {"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": {"type": "number"}}, "self": {"$ref": "#/$defs/me"}},
 "allOf": [
  {"if": {"properties": {"country": {"const": "US"}}}, "then": {"properties": {"state": {"type": "string"}}, "required": ["state"]},
   "else": {"if": {"properties": {"country": {"const": "CH"}}}, "then": {"properties": {"canton": {"type": "string", "minLength": 2}}}, "else": {"properties": {"zip": {"pattern": "^[0-9]{5}$"}}, "required": ["zip"]}}},
  {"if": {"required": ["count"], "properties": {"count": {"minimum": 10, "exclusiveMaximum": 20}}}, "then": {"properties": {"reason": {"type": "string"}}}},
  {"if": {"properties": {"zip": {"pattern": "^(a+)+$"}}}, "then": {"properties": {"unknown": {"type": "string"}}}}],
 "dependentRequired": {"card": ["cvc"]}, "dependentSchemas": {"card": {"properties": {"cvc": {"type": "string"}, "expires": {"type": "string", "format": "date"}}}},
 "not": {"required": ["canton", "card"]}}`

// What a form shows follows the value: the branch of a condition, also of a chain of them, and what
// depends on members that are there. What is written goes on. A condition that is not known shows
// nothing.
func TestPublishFormOfAConditionalJSONSchema(t *testing.T) {
	t.Parallel()
	p := &publishing{schemas: map[string]schemaText{"orders": {jsonSchema, varyingSchema}}}
	ctx, _ := publishAt(t, p, "orders")
	// An example has what its own values require.
	dataIs(ctx, t, `{"country":"DE","color":"text","zip":"text"}`)
	fields := func(names string) {
		t.Helper()
		until(ctx, t, `[...document.querySelectorAll("#publish-form label, #publish-form legend")].map((l) => l.firstChild.textContent).join() === "`+names+`"`)
	}
	fields("value,country,zip,card,count,color,tags,more,self")
	until(ctx, t, `document.getElementById("publish-form").textContent.includes("not with “canton” and “card” together")`)
	until(ctx, t, `document.getElementById("publish-form").textContent.includes("not 13") && document.getElementById("publish-form").textContent.includes('none of "red", "blue", not of the type null')`)
	until(ctx, t, `/Of the place · .*matches \^\[0-9\]\{5\}\$/.test(document.getElementById("publish-form").textContent)`)
	set(ctx, t, "country", "US")
	fields("value,country,zip,card,count,color,tags,more,self,state")
	until(ctx, t, `document.activeElement === `+labelled("country"))
	set(ctx, t, "country", "CH")
	fields("value,country,zip,card,count,color,tags,more,self,canton")
	set(ctx, t, "count", "1")
	set(ctx, t, "count", "12")
	fields("value,country,zip,card,count,color,tags,more,self,canton,reason")
	set(ctx, t, "count", "20")
	fields("value,country,zip,card,count,color,tags,more,self,canton")
	// While a text is typed, the cursor stays where it is.
	run(ctx, t, `const card = `+labelled("card")+`; card.focus(); card.value = "ab"; card.setSelectionRange(1, 1); card.dispatchEvent(new Event("input", { bubbles: true }))`)
	fields("value,country,zip,card,count,color,tags,more,self,cvc,expires,canton")
	until(ctx, t, `document.activeElement === `+labelled("card")+` && document.activeElement.selectionStart === 1`)
	until(ctx, t, labelled("cvc")+`.getAttribute("aria-required") === "true"`)
	set(ctx, t, "card", "")
	fields("value,country,zip,card,count,color,tags,more,self,canton")
	// The text is followed, too.
	typing(ctx, t, "#publish-data", `{"country": "US", "zip": "1", "color": "x", "card": "1"}`)
	fields("value,country,zip,card,count,color,tags,more,self,cvc,expires,state")

	// Members with names of their own are what their names say, and none of them is required.
	press(ctx, t, "Add tags")
	for _, name := range []string{"n_1", "s_1"} {
		typing(ctx, t, `#publish-form .adder input`, name)
		press(ctx, t, "Add a member to tags")
	}
	press(ctx, t, "Add more")
	run(ctx, t, `document.querySelectorAll("#publish-form .adder input")[1].value = "x"`)
	press(ctx, t, "Add a member to more")
	until(ctx, t, `document.getElementById("publish-data").value.replace(/\s+/g, "").endsWith('"tags":{"n_1":0,"s_1":"text"},"more":{"x":0}}')`)
	until(ctx, t, `document.querySelectorAll("#publish-form .removable .required").length === 0 && document.getElementById("publish-form").textContent.includes("names match ^n_ or ^s_ or")`)
	typing(ctx, t, "#publish-data", `{"country": "US", "zip": "1", "color": "x", "tags": {"7": true, "n_1": 1}}`)
	until(ctx, t, labelled("7")+`?.tagName === "SELECT" && `+labelled("n_1")+`?.value === "1"`)
	picture(ctx, t, "publish-conditional")
}

func TestPublishFormOfAvro(t *testing.T) {
	t.Parallel()
	p := &publishing{schemas: map[string]schemaText{"payments": {avroSchema, `{"type": "record", "name": "Payment", "namespace": "x.y", "doc": "A payment", "fields": [
  {"name": "id", "type": "long"}, {"name": "name", "type": ["null", "string"], "default": null},
  {"name": "kind", "type": {"type": "enum", "name": "Kind", "symbols": ["CARD", "CASH"]}},
  {"name": "other", "type": "Kind"}, {"name": "back", "type": ["null", "Payment"], "default": null},
  {"name": "amount", "type": {"type": "bytes", "logicalType": "decimal", "precision": 10, "scale": 2}},
  {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
  {"name": "tags", "type": {"type": "map", "values": "string"}}, {"name": "ratio", "type": "double"},
  {"name": "lines", "type": {"type": "array", "items": ["int", {"type": "record", "name": "Line", "fields": [{"name": "n", "type": "int"}]}]}}]}`}}}
	ctx, _ := publishAt(t, p, "payments")
	until(ctx, t, `document.getElementById("publish-formed-note").textContent.startsWith("Avro") && document.getElementById("publish-form").textContent.includes("A payment")`)
	set(ctx, t, "amount", "12.50")
	set(ctx, t, "kind", "CASH")
	set(ctx, t, "ratio", "NaN")
	set(ctx, t, "at", "1")
	set(ctx, t, "name", "string")
	press(ctx, t, "Add an item to lines")
	press(ctx, t, "Add an item to lines")
	run(ctx, t, `const c = document.querySelector('#publish-form select[aria-label="Kind of lines 2"]'); c.value = "1"; c.dispatchEvent(new Event("change"))`)
	set(ctx, t, "back", "Payment")
	until(ctx, t, `document.getElementById("publish-data").value.replace(/\s+/g, "").startsWith('{"id":0,"kind":"CASH","other":"CARD","amount":12.50,"at":1,"tags":{},"ratio":"NaN","lines":[0,{"n":0}],"name":"text","back":{"id":0,')`)
	picture(ctx, t, "publish-avro")
}

func TestPublishFormOfProtobuf(t *testing.T) {
	t.Parallel()
	p := &publishing{schemas: map[string]schemaText{"readings": {protobufText, `syntax = "proto3";
package iot;
import "other.proto";
// A reading
message Reading {
  reserved 4, 7 to 9;
  string device_id = 1; // of the device
  /* how warm */
  double temp_c = 2;
  Kind kind = 3 [json_name = "sort", deprecated = true];
  map<string, int64> counts = 10;
  repeated Position track = 11;
  oneof source { string sensor = 12; Position place = 13; }
  google.protobuf.Timestamp at = 14;
  int64 big = 15;
  other.Thing thing = 16;
  message Position { double lat = 1; double lon = 2; }
  enum Kind { option allow_alias = true; UNKNOWN = 0; WARM = 1; }
}
message Second { bool on = 1; }
// other.proto
syntax = "proto3"; package other; message Thing { bytes raw = 1; }`}}}
	ctx, _ := publishAt(t, p, "readings")
	dataIs(ctx, t, `{}`)
	until(ctx, t, `document.getElementById("publish-formed-note").textContent.includes("Protobuf, message iot.Reading") && document.getElementById("publish-form").textContent.includes("how warm")`)
	set(ctx, t, "deviceId", "d")
	set(ctx, t, "tempC", "1.50")
	set(ctx, t, "sort", "WARM")
	set(ctx, t, "big", "9007199254740993")
	set(ctx, t, "source (one of)", "place")
	set(ctx, t, "lat", "47.0")
	press(ctx, t, "Add an item to track")
	press(ctx, t, "Add thing")
	press(ctx, t, "Add counts")
	typing(ctx, t, `#publish-form .adder input`, "a")
	press(ctx, t, "Add a member to counts")
	dataIs(ctx, t, `{"deviceId":"d","tempC":1.50,"sort":"WARM","big":9007199254740993,"place":{"lat":47.0},"track":[{}],"thing":{},"counts":{"a":0}}`)
	set(ctx, t, "source (one of)", "sensor")
	until(ctx, t, `!document.getElementById("publish-data").value.includes("place")`)
	// As the server shows it: 64 bits as a string, and by the names of the file.
	typing(ctx, t, "#publish-data", `{"device_id": "e", "big": "9007199254740993", "tempC": "NaN"}`)
	until(ctx, t, labelled("device_id")+`.value === "e" && `+labelled("big")+`.value === "9007199254740993"`)
	picture(ctx, t, "publish-protobuf")
	typing(ctx, t, "#publish-message", "iot.Second")
	set(ctx, t, "on", "true")
}

// Schemas are data of others: nothing of them is run, and none of them keeps the page from
// working.
func TestPublishHostileSchemas(t *testing.T) {
	t.Parallel()
	var many, deep strings.Builder
	many.WriteString(`{"type":"object","required":["p3"],"properties":{`)
	for i := range 10_000 {
		fmt.Fprintf(&many, `"p%d":{"type":"object","required":["a","b","c"],"properties":{"a":{"type":"string"},"b":{"type":"number"},"c":{"type":"boolean"}}},`, i)
	}
	many.WriteString(`"last":{}}}`)
	for range 150 {
		deep.WriteString(`{"type":"object","required":["x"],"properties":{"x":`)
	}
	deep.WriteString(`{}` + strings.Repeat("}}", 150))
	var huge strings.Builder
	for i := range 50_000 {
		fmt.Fprintf(&huge, `,"v%d"`, i)
	}
	long := strings.Repeat("<img src=x onerror=alert(1)>", 2000)
	var fan strings.Builder
	for i := range 40 {
		fmt.Fprintf(&fan, `,"n%d":{"anyOf":[{"$ref":"#/$defs/n%d"},{"$ref":"#/$defs/n%d"}]}`, i, i+1, i+1)
	}
	var bush, oneofs strings.Builder
	for i := range 60 {
		fmt.Fprintf(&bush, `,"r%d":{"anyOf":[{"$ref":"#"},{"$ref":"#"},{"type":"array","minItems":3,"items":{"$ref":"#"}}]}`, i)
		fmt.Fprintf(&oneofs, "oneof o%d { M a%d = 1; string b%d = 2; } ", i, i, i)
	}
	required := `"r1","r2","r3","r4","r5","r6","r7","r8","r9","r10","r11","r12"`
	p := &publishing{schemas: map[string]schemaText{
		"bush":          {jsonSchema, `{"type":"object","required":[` + required + `],"properties":{"me":{"type":"string"}` + bush.String() + `}}`},
		"oneofs":        {protobufText, "syntax = \"proto3\"; message M { " + strings.Repeat(oneofs.String(), 20) + "}"},
		"many":          {jsonSchema, many.String()},
		"deep":          {jsonSchema, deep.String()},
		"deepest":       {jsonSchema, strings.Repeat(`{"items":`, 5000) + `{}` + strings.Repeat("}", 5000)},
		"enum":          {jsonSchema, `{"type":"object","required":["e"],"properties":{"e":{"enum":[0` + huge.String() + `]}}}`},
		"loop":          {jsonSchema, `{"$ref":"#/$defs/a","$defs":{"a":{"$ref":"#/$defs/b"},"b":{"$ref":"#/$defs/a"}}}`},
		"required.loop": {jsonSchema, `{"type":"object","required":["me","you"],"properties":{"me":{"$ref":"#"},"you":{"$ref":"#"}}}`},
		"all.loop":      {jsonSchema, `{"allOf":[{"$ref":"#"},{"$ref":"#"}],"anyOf":[{"$ref":"#"},{"$ref":"#"}]}`},
		"fan":           {jsonSchema, `{"$ref":"#/$defs/n0","$defs":{"n40":{"type":"string"}` + fan.String() + `}}`},
		"pattern":       {jsonSchema, `{"type":"object","properties":{"p":{"type":"string","pattern":"^(a+)+$","default":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!"},"__proto__":{"type":"string"},"constructor":{"type":"string"}}}`},
		"markup":        {jsonSchema, fmt.Sprintf(`{"title":%q,"description":%q,"type":"object","properties":{%q:{"enum":[%q],"description":%q}},"required":[%q]}`, long, long, long, long, long, long)},
		"broken":        {jsonSchema, `{"type": `},
		"wrong":         {jsonSchema, `{"type":{"a":1},"properties":[1],"required":"x","enum":{},"allOf":{},"items":"y","$ref":7,"format":["z"],"pattern":{}}`},
		"avro.loop":     {avroSchema, `{"type":"record","name":"A","fields":[{"name":"a","type":"A"},{"name":"b","type":"A"}]}`},
		"avro.self":     {avroSchema, `{"type":{"type":{"type":"B"}},"name":"B"}`},
		"proto.loop":    {protobufText, `syntax = "proto2"; message M { required M a = 1; required M b = 2; } `},
		"proto.broken":  {protobufText, `message M { a b c d` + strings.Repeat("{", 10_000)},
		"proto.open":    {protobufText, "message M { " + strings.Repeat("/*", 400_000)},
		"proto.text":    {protobufText, "message M { option x = " + strings.Repeat(`"\"`, 300_000)},
		"proto.deep":    {protobufText, strings.Repeat("message M { ", 5000) + strings.Repeat("}", 5000)},
		"other":         {"text/html", "<h1>no</h1>"},
	}}
	ctx, _ := publishAt(t, p, "plain")
	run(ctx, t, `window.alert = () => { throw new Error("a schema was run"); }`)
	for name := range p.schemas {
		typing(ctx, t, "#publish-stream", name)
		until(ctx, t, `location.hash.endsWith("stream=`+name+`") && (document.getElementById("publish-formed").checkVisibility() || document.getElementById("publish-note").textContent.includes("can be written as JSON"))`)
		until(ctx, t, `document.querySelectorAll("#publish-form *").length < 6000 && document.querySelectorAll("#publish-form img").length === 0 && document.documentElement.scrollWidth <= innerWidth`)
		typing(ctx, t, "#publish-data", fmt.Sprintf(`{"me": %q}`, name))
		until(ctx, t, `document.getElementById("publish-form").children.length < 2`)
		run(ctx, t, submit)
		until(ctx, t, resultHas+`("Stored")`)
	}
	// The others of many properties come when somebody asks for them.
	typing(ctx, t, "#publish-stream", "many")
	press(ctx, t, "Show more (9,941 left)")
	until(ctx, t, `[...document.querySelectorAll("#publish-form button")].some((b) => b.textContent.startsWith("Show more ("))`)
	// A long value, which is deep, too, is text only.
	run(ctx, t, `const c = document.getElementById("publish-data"); c.value = "[".repeat(300000); c.dispatchEvent(new Event("input"))`)
	until(ctx, t, `document.getElementById("publish-data").getAttribute("aria-invalid") === "true"`)
	run(ctx, t, `const c = document.getElementById("publish-data"); c.value = JSON.stringify({p: Array(50000).fill("xxxxxxxx")}); c.dispatchEvent(new Event("input"))`)
	until(ctx, t, `document.getElementById("publish-formed-note").textContent.includes("too long")`)
}
