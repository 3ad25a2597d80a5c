package wire_test

import (
	"reflect"
	"strings"
	"testing"

	"sluice/hub/ingest"
	"sluice/hub/record"
	"sluice/transport/wire"
)

func TestParseHTTPPublish(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		in    wire.HTTPPublish
		want  []ingest.Message
		batch bool
	}{
		"single": {
			in:   wire.HTTPPublish{ContentType: "application/json", Body: []byte(" {\"key\":\"k\",\"headers\":[[\"a\",null]],\"data\":{ \"t\":1e400}}\n")},
			want: []ingest.Message{{Key: []byte("k"), Headers: []record.Header{{Name: []byte("a")}}, Value: []byte(`{ "t":1e400}`), JSON: true}},
		},
		"batch": {
			in:    wire.HTTPPublish{ContentType: "Application/JSON; charset=UTF-8", RawQuery: "ticket=x&access_token=y", Body: []byte(`{"records":[{"data":1},{"tombstone":true}]}`)},
			want:  []ingest.Message{{Value: []byte("1"), JSON: true}, {}},
			batch: true,
		},
		"text": {
			in:   wire.HTTPPublish{ContentType: "text/plain", RawQuery: "key=dev+1&header.b=1&header.a=%ff&header.b=", Body: []byte("a\r\nb")},
			want: []ingest.Message{{Key: []byte("dev 1"), Headers: []record.Header{{Name: []byte("b"), Value: []byte("1")}, {Name: []byte("a"), Value: []byte{0xff}}, {Name: []byte("b"), Value: []byte{}}}, Value: []byte("a\r\nb")}},
		},
		"another JSON": {
			in:   wire.HTTPPublish{ContentType: "application/geo+json", RawQuery: "key=", Body: []byte(`{"records":[]}`)},
			want: []ingest.Message{{Key: []byte{}, Value: []byte(`{"records":[]}`)}},
		},
		"no content type": {in: wire.HTTPPublish{Body: []byte{0xff}}, want: []ingest.Message{{Value: []byte{0xff}}}},
		"nothing":         {in: wire.HTTPPublish{}, want: []ingest.Message{{Value: []byte{}}}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, batch, err := wire.ParseHTTPPublish(tt.in, limits)
			if err != nil {
				t.Fatal(err)
			}
			if batch != tt.batch || !reflect.DeepEqual(got, tt.want) {
				t.Errorf("batch %v\n got %#v\nwant %#v", batch, got, tt.want)
			}
		})
	}
}

func TestParseHTTPPublishRefuses(t *testing.T) {
	t.Parallel()
	const asJSON = "application/json"
	tests := map[string]struct {
		in      wire.HTTPPublish
		code    wire.Code
		message string
	}{
		"too large":              {wire.HTTPPublish{Body: make([]byte, 65537)}, wire.TooLarge, "larger than 65536 bytes"},
		"idempotency key":        {wire.HTTPPublish{IdempotencyKey: "k"}, wire.BadRequest, "the header Idempotency-Key is not supported by this server yet"},
		"content type":           {wire.HTTPPublish{ContentType: "application/json; charset"}, wire.BadRequest, "content type"},
		"charset":                {wire.HTTPPublish{ContentType: "application/json; charset=latin1"}, wire.BadRequest, "UTF-8"},
		"query":                  {wire.HTTPPublish{RawQuery: "key=%"}, wire.BadRequest, "not escaped"},
		"unknown parameter":      {wire.HTTPPublish{RawQuery: "foo=1"}, wire.BadRequest, `unknown parameter "foo"`},
		"message_id":             {wire.HTTPPublish{RawQuery: "message_id=1"}, wire.BadRequest, `"message_id" is not supported by this server yet`},
		"key twice":              {wire.HTTPPublish{RawQuery: "key=1&key=2"}, wire.BadRequest, "the parameter key: is given twice"},
		"reserved header":        {wire.HTTPPublish{RawQuery: "header.Sluice-x%2Fy=1"}, wire.ReservedHeader, `"header.Sluice-x/y"`},
		"key beside JSON":        {wire.HTTPPublish{ContentType: asJSON, RawQuery: "key=1", Body: []byte(`{"data":1}`)}, wire.BadRequest, `"key" cannot be combined with a JSON body`},
		"header beside JSON":     {wire.HTTPPublish{ContentType: asJSON, RawQuery: "header.a=1", Body: []byte(`{"data":1}`)}, wire.BadRequest, `"header.a" cannot be combined with`},
		"not JSON":               {wire.HTTPPublish{ContentType: asJSON, Body: []byte(`{`)}, wire.BadRequest, "not JSON"},
		"no body":                {wire.HTTPPublish{ContentType: asJSON}, wire.BadRequest, "not JSON"},
		"an array":               {wire.HTTPPublish{ContentType: asJSON, Body: []byte(`[{"data":1}]`)}, wire.BadRequest, "a JSON object"},
		"too deep":               {wire.HTTPPublish{ContentType: asJSON, Body: []byte(`{"id":"x","data":` + strings.Repeat("[", 99))}, wire.BadRequest, "json_depth"},
		"no data":                {wire.HTTPPublish{ContentType: asJSON, Body: []byte(`{"key":"k"}`)}, wire.BadRequest, "data is required"},
		"a message":              {wire.HTTPPublish{ContentType: asJSON, Body: []byte(`{"type":"publish","data":1}`)}, wire.BadRequest, `unknown field "type"`},
		"an id":                  {wire.HTTPPublish{ContentType: asJSON, Body: []byte(`{"id":"p","data":1}`)}, wire.BadRequest, `unknown field "id"`},
		"message_id in the body": {wire.HTTPPublish{ContentType: asJSON, Body: []byte(`{"message_id":"p","data":1}`)}, wire.BadRequest, `"message_id" is not supported`},
		"twice":                  {wire.HTTPPublish{ContentType: asJSON, Body: []byte(`{"id":"x","data":{"a":1,"a":2}}`)}, wire.BadRequest, `duplicate field "a"`},
		"reserved in the body":   {wire.HTTPPublish{ContentType: asJSON, Body: []byte(`{"data":1,"headers":[["sluice-","x"]]}`)}, wire.ReservedHeader, "headers/0/0 is a name"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			messages, _, err := wire.ParseHTTPPublish(tt.in, limits)
			if err == nil {
				t.Fatalf("taken: %#v", messages)
			}
			if messages != nil || err.ID != "" || err.Code != tt.code || !strings.Contains(err.Message, tt.message) {
				t.Errorf("got %v with id %q and %d messages, want %s: %s", err, err.ID, len(messages), tt.code, tt.message)
			}
		})
	}
}

// FuzzHTTPPublish checks that an accepted request has a value for every record,
// and that with another content type the value is the body.
func FuzzHTTPPublish(f *testing.F) {
	f.Add("application/json", "", []byte(`{"records":[{"data":1},{"tombstone":true}]}`))
	f.Add("text/plain; charset=utf-8", "key=a&header.b=c", []byte("x"))
	f.Add("", "header.sluice-x=1", []byte{})
	f.Fuzz(func(t *testing.T, contentType, query string, body []byte) {
		messages, batch, err := wire.ParseHTTPPublish(wire.HTTPPublish{ContentType: contentType, RawQuery: query, Body: body}, limits)
		if err != nil {
			if messages != nil || err.Message == "" || strings.ContainsAny(err.Message, "\r\n\x00") {
				t.Errorf("error %q with %d messages", err, len(messages))
			}
			return
		}
		if len(messages) == 0 || !batch && len(messages) != 1 {
			t.Fatalf("%d messages, batch %v", len(messages), batch)
		}
		for _, m := range messages {
			for _, h := range m.Headers {
				if strings.HasPrefix(strings.ToLower(string(h.Name)), ingest.ReservedHeaderPrefix) {
					t.Errorf("took the header %q", h.Name)
				}
			}
		}
		if !strings.Contains(strings.ToLower(contentType), "json") && (batch || string(messages[0].Value) != string(body) || messages[0].Value == nil) {
			t.Errorf("value %q of body %q", messages[0].Value, body)
		}
	})
}
