package wire_test

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"sluice/hub/hubtest/bounds"
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
		"times": {
			in:    wire.HTTPPublish{ContentType: "application/json", Body: []byte(`{"records":[{"ts":1795245600123,"data":1},{"data":2}]}`)},
			want:  []ingest.Message{{Value: []byte("1"), JSON: true, Timestamp: 1795245600123}, {Value: []byte("2"), JSON: true}},
			batch: true,
		},
		"a time": {in: wire.HTTPPublish{RawQuery: "ts=253402300799999", Body: []byte("x")}, want: []ingest.Message{{Value: []byte("x"), Timestamp: 253402300799999}}},
		"message id": {
			in:   wire.HTTPPublish{ContentType: "application/json", Body: []byte(`{"message_id":"a \u0062~","data":1}`)},
			want: []ingest.Message{{ID: "a b~", Value: []byte("1"), JSON: true}},
		},
		"key": {
			in:   wire.HTTPPublish{ContentType: "application/json", IdempotencyKey: "8e03978e-40d5", Body: []byte(`{"data":1}`)},
			want: []ingest.Message{{ID: "8e03978e-40d5", Value: []byte("1"), JSON: true}},
		},
		"quoted key":      {in: wire.HTTPPublish{IdempotencyKey: `"a, \"b\" \\;"`, Body: []byte("x")}, want: []ingest.Message{{ID: `a, "b" \;`, Value: []byte("x")}}},
		"longest key":     {in: wire.HTTPPublish{IdempotencyKey: strings.Repeat("k", 128), Body: []byte("x")}, want: []ingest.Message{{ID: strings.Repeat("k", 128), Value: []byte("x")}}},
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
		"too large":             {wire.HTTPPublish{Body: make([]byte, 65537)}, wire.TooLarge, "larger than 65536 bytes"},
		"empty key":             {wire.HTTPPublish{IdempotencyKey: `""`}, wire.BadRequest, "the header Idempotency-Key is empty"},
		"long key":              {wire.HTTPPublish{IdempotencyKey: strings.Repeat("k", 129)}, wire.BadRequest, "the header Idempotency-Key is longer than 128 characters"},
		"key not ASCII":         {wire.HTTPPublish{IdempotencyKey: `"é"`}, wire.BadRequest, "the header Idempotency-Key must be printable"},
		"key with a tab":        {wire.HTTPPublish{IdempotencyKey: "a\tb"}, wire.BadRequest, "the header Idempotency-Key must be printable"},
		"two keys":              {wire.HTTPPublish{IdempotencyKey: "a,b"}, wire.BadRequest, "must not be repeated"},
		"two quoted keys":       {wire.HTTPPublish{IdempotencyKey: `"a","b"`}, wire.BadRequest, "one string in double quotes"},
		"key with parameters":   {wire.HTTPPublish{IdempotencyKey: `"a";b=1`}, wire.BadRequest, "one string in double quotes"},
		"key without an end":    {wire.HTTPPublish{IdempotencyKey: `"a`}, wire.BadRequest, "one string in double quotes"},
		"key that escapes":      {wire.HTTPPublish{IdempotencyKey: `"a\b"`}, wire.BadRequest, "one string in double quotes"},
		"key ends in an escape": {wire.HTTPPublish{IdempotencyKey: `"a\`}, wire.BadRequest, "one string in double quotes"},
		"key with a space":      {wire.HTTPPublish{IdempotencyKey: "a b"}, wire.BadRequest, "must be in double quotes"},
		"key of a batch":        {wire.HTTPPublish{ContentType: asJSON, IdempotencyKey: "k", Body: []byte(`{"records":[{"data":1}]}`)}, wire.BadRequest, "is for one record"},
		"key and message_id":    {wire.HTTPPublish{ContentType: asJSON, IdempotencyKey: "k", Body: []byte(`{"message_id":"k","data":1}`)}, wire.BadRequest, "message_id cannot be combined with the header Idempotency-Key"},
		"content type":          {wire.HTTPPublish{ContentType: "application/json; charset"}, wire.BadRequest, "content type"},
		"charset":               {wire.HTTPPublish{ContentType: "application/json; charset=latin1"}, wire.BadRequest, "UTF-8"},
		"a form":                {wire.HTTPPublish{ContentType: "application/x-www-form-urlencoded; charset=utf-8", Body: []byte(`{"data":1}`)}, wire.BadRequest, "Content-Type: application/json"},
		"query":                 {wire.HTTPPublish{RawQuery: "key=%"}, wire.BadRequest, "not escaped"},
		"unknown parameter":     {wire.HTTPPublish{RawQuery: "foo=1"}, wire.BadRequest, `unknown parameter "foo"`},
		"message_id":            {wire.HTTPPublish{RawQuery: "message_id=1"}, wire.BadRequest, `unknown parameter "message_id"`},
		"key twice":             {wire.HTTPPublish{RawQuery: "key=1&key=2"}, wire.BadRequest, "the parameter key: is given twice"},
		"ts twice":              {wire.HTTPPublish{RawQuery: "ts=1&ts=2"}, wire.BadRequest, "the parameter ts: is given twice"},
		"ts beside JSON":        {wire.HTTPPublish{ContentType: asJSON, RawQuery: "ts=1", Body: []byte(`{"data":1}`)}, wire.BadRequest, `"ts" cannot be combined with`},
		"ts of 0":               {wire.HTTPPublish{RawQuery: "ts=0"}, wire.BadRequest, "Unix milliseconds"},
		"ts with a sign":        {wire.HTTPPublish{RawQuery: "ts=%2B1"}, wire.BadRequest, "Unix milliseconds"},
		"ts beyond time":        {wire.HTTPPublish{ContentType: asJSON, Body: []byte(`{"data":1,"ts":253402300800000}`)}, wire.BadRequest, "Unix milliseconds"},
		"ts as text":            {wire.HTTPPublish{ContentType: asJSON, Body: []byte(`{"data":1,"ts":"1"}`)}, wire.BadRequest, "Unix milliseconds"},
		"ts as a fraction":      {wire.HTTPPublish{ContentType: asJSON, Body: []byte(`{"data":1,"ts":1e12}`)}, wire.BadRequest, "Unix milliseconds"},
		"ts of nothing":         {wire.HTTPPublish{ContentType: asJSON, Body: []byte(`{"data":1,"ts":null}`)}, wire.BadRequest, "Unix milliseconds"},
		"reserved header":       {wire.HTTPPublish{RawQuery: "header.Sluice-x%2Fy=1"}, wire.ReservedHeader, `"header.Sluice-x/y"`},
		"key beside JSON":       {wire.HTTPPublish{ContentType: asJSON, RawQuery: "key=1", Body: []byte(`{"data":1}`)}, wire.BadRequest, `"key" cannot be combined with a JSON body`},
		"header beside JSON":    {wire.HTTPPublish{ContentType: asJSON, RawQuery: "header.a=1", Body: []byte(`{"data":1}`)}, wire.BadRequest, `"header.a" cannot be combined with`},
		"not JSON":              {wire.HTTPPublish{ContentType: asJSON, Body: []byte(`{`)}, wire.BadRequest, "not JSON"},
		"no body":               {wire.HTTPPublish{ContentType: asJSON}, wire.BadRequest, "not JSON"},
		"an array":              {wire.HTTPPublish{ContentType: asJSON, Body: []byte(`[{"data":1}]`)}, wire.BadRequest, "a JSON object"},
		"too deep":              {wire.HTTPPublish{ContentType: asJSON, Body: []byte(`{"id":"x","data":` + strings.Repeat("[", 99))}, wire.BadRequest, "json_depth"},
		"no data":               {wire.HTTPPublish{ContentType: asJSON, Body: []byte(`{"key":"k"}`)}, wire.BadRequest, "data is required"},
		"a value":               {wire.HTTPPublish{ContentType: asJSON, Body: []byte(`{"text":"hi"}`)}, wire.BadRequest, `unknown field "text": the value of a record is in the field "data"`},
		"a batch of values":     {wire.HTTPPublish{ContentType: asJSON, Body: []byte(`{"records":[{"data":1},{"text":"hi"}]}`)}, wire.BadRequest, `unknown field "text": the value of a record is in the field "data"`},
		"a message":             {wire.HTTPPublish{ContentType: asJSON, Body: []byte(`{"type":"publish","data":1}`)}, wire.BadRequest, `unknown field "type"`},
		"an id":                 {wire.HTTPPublish{ContentType: asJSON, Body: []byte(`{"id":"p","data":1}`)}, wire.BadRequest, `unknown field "id"`},
		"message_id empty":      {wire.HTTPPublish{ContentType: asJSON, Body: []byte(`{"message_id":"","data":1}`)}, wire.BadRequest, "message_id is empty"},
		"twice":                 {wire.HTTPPublish{ContentType: asJSON, Body: []byte(`{"id":"x","data":{"a":1,"a":2}}`)}, wire.BadRequest, `duplicate field "a"`},
		"reserved in the body":  {wire.HTTPPublish{ContentType: asJSON, Body: []byte(`{"data":1,"headers":[["sluice-","x"]]}`)}, wire.ReservedHeader, "headers/0/0 is a name"},
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
	f.Add("application/json", "", "", []byte(`{"records":[{"data":1},{"tombstone":true}]}`))
	f.Add("text/plain; charset=utf-8", "key=a&header.b=c", `"a\"b"`, []byte("x"))
	f.Add("", "header.sluice-x=1&reply=a&wait=5s", "a", []byte{})
	f.Fuzz(func(t *testing.T, contentType, query, id string, body []byte) {
		if to, err := wire.ParseReplyTo(query); err == nil && to.ExpectsReply() && (to.Wait <= 0 || to.Wait > wire.MaxWait) {
			t.Errorf("waits for %v", to.Wait)
		}
		sent := wire.HTTPPublish{ContentType: contentType, RawQuery: query, IdempotencyKey: id, Body: body}
		var (
			messages []ingest.Message
			batch    bool
			err      *wire.Error
		)
		costs := bounds.Limits{Bytes: 2 << 20, PerByte: 100, Time: 10 * time.Second}
		costs.Check(t, len(contentType)+len(query)+len(id)+len(body), func() { messages, batch, err = wire.ParseHTTPPublish(sent, limits) })
		for _, m := range messages {
			for _, part := range [][]byte{m.Key, m.Value, []byte(m.ID)} {
				bounds.Own(t, part, []byte(query), []byte(id), body)
			}
			if len(m.ID) > wire.MaxMessageID || strings.ContainsFunc(m.ID, func(c rune) bool { return c < ' ' || c > '~' }) || id != "" && m.ID == "" {
				t.Errorf("the message id %q of the header %q", m.ID, id)
			}
		}
		if err != nil {
			bounds.Own(t, err.Append(nil), []byte(contentType), []byte(query), []byte(id), body)
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

// batchOf returns a body with n records of some fields, among them the last of a given
// one.
func batchOf(n, fields int, last string) string {
	var data []string
	for i := range fields {
		data = append(data, fmt.Sprintf(`"f%d":%d`, i, i))
	}
	record := `{"data":{` + strings.Join(data, ",") + `}}`
	all := slices.Repeat([]string{record}, n-1)
	return `{"records":[` + strings.Join(append(all, last), ",") + `]}`
}

// TestRecordsOfABatch: how many records a batch may have is a limit of its own, and
// json_keys counts in each of them.
func TestRecordsOfABatch(t *testing.T) {
	t.Parallel()
	bounds := wire.Limits{MessageBytes: 1 << 20, Depth: 32, Keys: 20, Records: 100}
	const one = `{"data":1}`
	tests := map[string]struct {
		body          string
		code          wire.Code
		message, deny string
	}{
		"as many as allowed":          {batchOf(100, 1, one), "", "", ""},
		"with more fields in total":   {batchOf(100, 19, one), "", "", ""},
		"one record too many":         {batchOf(101, 1, one), wire.TooLarge, "records has more than 100 entries (limit batch_records): send several batches", "json_keys"},
		"one too many, few fields":    {`{"records":[` + strings.Repeat(`7,`, 100) + `7]}`, wire.BadRequest, "records/0 must be an object", ""},
		"too many fields in one":      {batchOf(50, 5, `{"data":{`+manyFields(20)+`}}`), wire.BadRequest, "records/49 has more than 20 fields (limit json_keys)", ""},
		"too many fields beside them": {`{"records":[` + one + `],` + manyFields(20) + `}`, wire.BadRequest, "the message has more than 20 fields (limit json_keys)", ""},
		"fields in an inner batch":    {`{"records":[{"data":{"records":[` + strings.Repeat(one+",", 30) + one + `]}}]}`, wire.BadRequest, "records/0 has more than 20 fields", ""},
		"a field twice in one":        {batchOf(50, 5, `{"data":{"a":1,"\u0061":2}}`), wire.BadRequest, `duplicate field "a"`, ""},
		"records twice":               {batchOf(50, 5, one+`],"records":[`+one), wire.BadRequest, `duplicate field "records"`, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, _, err := wire.ParseHTTPPublish(wire.HTTPPublish{ContentType: "application/json", Body: []byte(tt.body)}, bounds)
			_, sent := wire.ParseRequest([]byte(`{"type":"publish","id":"p","stream":"s",`+tt.body[1:]), bounds)
			for door, err := range map[string]*wire.Error{"POST": err, "WebSocket": sent} {
				switch {
				case tt.code == "" && err != nil:
					t.Errorf("%s: %v", door, err)
				case tt.code == "":
				case err == nil || err.Code != tt.code || !strings.Contains(err.Message, tt.message) || tt.deny != "" && strings.Contains(err.Message, tt.deny):
					t.Errorf("%s: got %v, want %s: %s", door, err, tt.code, tt.message)
				case door == "WebSocket" && err.ID != "p":
					t.Errorf("%s: the fault is for %q", door, err.ID)
				}
			}
		})
	}
}

// TestRecordsOfABatchWithoutOtherLimits: the number of records is bounded by itself.
func TestRecordsOfABatchWithoutOtherLimits(t *testing.T) {
	t.Parallel()
	for n, code := range map[int]wire.Code{100: "", 101: wire.TooLarge} {
		_, _, err := wire.ParseHTTPPublish(wire.HTTPPublish{ContentType: "application/json", Body: []byte(batchOf(n, 1, `{"data":1}`))}, wire.Limits{Records: 100})
		if code == "" && err != nil || code != "" && (err == nil || err.Code != code || !strings.Contains(err.Message, "batch_records")) {
			t.Errorf("%d records: %v", n, err)
		}
	}
}

func manyFields(n int) string {
	fields := make([]string, n)
	for i := range fields {
		fields[i] = fmt.Sprintf(`"k%d":1`, i)
	}
	return strings.Join(fields, ",")
}
