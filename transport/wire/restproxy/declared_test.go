package restproxy_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"sluice/hub/ingest"
	"sluice/transport/wire"
	"sluice/transport/wire/restproxy"
)

// TestDeclared: what producers say about the schema of values has to be that of the stream,
// which nothing of it changes.
func TestDeclared(t *testing.T) {
	t.Parallel()
	const avro, json, protobuf = "application/vnd.apache.avro+json", "application/schema+json", "application/x-protobuf"
	for _, c := range []struct {
		kind, fields, value string // of version 2, and of a value of version 3
		mediaType, text     string
		id                  uint32
		want                string
	}{
		{"avro", ``, `"type":"AVRO",`, avro, `"int"`, 7, ""},
		{"avro", `"value_schema_id":7,`, `"schema_id":7,`, avro, `"int"`, 7, ""},
		{"avro", `"value_schema_id":7,`, `"type":"AVRO","schema_id":7,`, avro, `"int"`, 7, ""},
		{"avro", `"value_schema_id":8,`, `"type":"AVRO","schema_id":8,`, avro, `"int"`, 7, "another one than that with the id 8"},
		{"avro", `"value_schema":"{ \"type\":\"int\"}","value_schema_id":null,`, `"type":"AVRO","schema":"{ \"type\":\"int\"}","schema_version":null,`, avro, `{"type": "int"}`, 7, ""},
		{"avro", `"value_schema":"\"long\"",`, `"type":"AVRO","schema":"\"long\"",`, avro, `"int"`, 7, "is another one"},
		{"avro", ``, `"type":"AVRO",`, json, `{}`, 7, "no schema of the type AVRO"},
		{"jsonschema", ``, `"type":"JSONSCHEMA",`, json, `{}`, 0, ""},
		{"jsonschema", `"value_schema_id":7,`, `"type":"JSONSCHEMA","schema_id":7,`, json, `{}`, 0, "another one"},
		{"protobuf", ``, `"type":"PROTOBUF",`, avro, `"int"`, 7, "no schema of the type PROTOBUF"},
		{"protobuf", `"value_schema":"message M {}",`, `"type":"PROTOBUF","schema":"message M {}",`, protobuf, `message M {}`, 7, ""},
		{"protobuf", `"value_schema":"message N {}",`, `"type":"PROTOBUF","schema":"message N {}",`, protobuf, `message M {}`, 7, "is another one"},
		{"avro", ``, `"type":"AVRO",`, "", "", 0, "no schema of the type AVRO"},
		{"avro", `"value_schema_id":7,`, `"schema_id":7,`, "", "", 0, "no schema"},
	} {
		declared, ok := restproxy.Typed("application/vnd.kafka." + c.kind + ".v2+json; charset=utf-8")
		if !ok {
			t.Fatal(c.kind)
		}
		check := func(which string, all []ingest.Message, d restproxy.Declared, fault *wire.Error) {
			if fault != nil || len(all) != 1 || !all[0].JSON || string(all[0].Value) != `{"a": 1}` || !d.Given() {
				t.Errorf("%s of %+v: got %v, %v", which, c, all, fault)
				return
			}
			fault = d.Check(c.mediaType, c.id, []byte(c.text))
			if (fault != nil) != (c.want != "") || fault != nil && (!strings.Contains(fault.Message, c.want) || fault.Code != wire.BadRequest) {
				t.Errorf("%s of %+v: got %v", which, c, fault)
			}
			if fault != nil && (fault.Status() == http.StatusUnsupportedMediaType) != (len(fault.Errors) == 0) {
				t.Errorf("%s of %+v: status %d, %v", which, c, fault.Status(), fault.Errors)
			}
		}
		all, fault := restproxy.ParseTyped2([]byte(`{`+c.fields+`"records":[{"value":{"a": 1}}]}`), limits, &declared)
		check("version 2", all, declared, fault)
		m, _, of, fault := restproxy.Parse3([]byte(`{"value":{`+c.value+`"data":{"a": 1}}}`), limits)
		check("version 3", []ingest.Message{m}, of, fault)
	}
	for _, kind := range []string{"", "text/plain", "application/vnd.kafka.json.v2+json", "application/vnd.kafka.avro.v1+json"} {
		if _, ok := restproxy.Typed(kind); ok {
			t.Errorf("%q has schemas", kind)
		}
	}
	if _, _, d, fault := restproxy.Parse3([]byte(`{"value":{"type":"JSON","schema_id":null,"data":1}}`), limits); fault != nil || d.Given() {
		t.Errorf("got %+v, %v", d, fault)
	}
	for _, body := range []string{`{"value_schema_id":"7","records":[{"value":1}]}`, `{"value_schema_id":7.5,"records":[{"value":1}]}`, `{"value_schema":{},"records":[{"value":1}]}`, `{"key_schema":"\"int\"","records":[{"value":1}]}`} {
		declared, _ := restproxy.Typed("application/vnd.kafka.avro.v2+json")
		if _, fault := restproxy.ParseTyped2([]byte(body), limits, &declared); fault == nil {
			t.Errorf("%s is accepted", body)
		}
	}
}

// TestDeclaredText: the text of a schema is the same but for white space between its parts, and
// takes little time to compare, as each record can declare one.
func TestDeclaredText(t *testing.T) {
	t.Parallel()
	declares := func(text string) restproxy.Declared {
		value, err := json.Marshal(text)
		if err != nil {
			t.Fatal(err)
		}
		_, _, d, fault := restproxy.Parse3([]byte(`{"value":{"type":"JSONSCHEMA","schema":`+string(value)+`,"data":1}}`), limits)
		if fault != nil {
			t.Fatal(fault)
		}
		return d
	}
	const text = `{"a": "b \" c\\", "d":[1, 2]}`
	for declared, same := range map[string]bool{
		text: true, `{"a":"b \" c\\","d":[1,2]}`: true, "\n{ \"a\" : \"b \\\" c\\\\\",\t\"d\":[ 1 ,2 ]\r}\n": true,
		`{"a":"b  \" c\\","d":[1,2]}`: false, `{"a":"b \"c\\","d":[1,2]}`: false, `{"a":"b \" c\\","d":[12]}`: false,
		`{"a":"b \" c\\","d":[1,2]`: false, `{"a":"b \" c\\","d":[1,2]}}`: false, `{"a":"b \` + "\x01": false, ``: true,
	} {
		if fault := declares(declared).Check("application/schema+json", 1, []byte(text)); (fault == nil) != same {
			t.Errorf("%s: got %v", declared, fault)
		}
	}
	large := []byte(`{"a":[` + strings.Repeat(`"text", `, 1<<17) + `1]}`)
	d, began := declares(`{"a":[]}`), time.Now()
	for range 600 {
		if d.Check("application/schema+json", 1, large) == nil {
			t.Fatal("is accepted")
		}
	}
	if took := time.Since(began); took > time.Second {
		t.Errorf("took %s", took)
	}
}
