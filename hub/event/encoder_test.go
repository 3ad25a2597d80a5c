package event_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"sluice/hub/event"
	"sluice/hub/record"
)

// sampleValue is a typical record value of 200 bytes.
var sampleValue = []byte(`{"order":118273,"customer":"eu-991","total":129.95,"currency":"EUR","state":"paid","lines":[{"sku":"A-17","n":2},{"sku":"B-4","n":1}],"note":"leave it at the door","placed_at":1795245600123,"gift":false}`)

func TestEventText(t *testing.T) {
	t.Parallel()
	head := `{"type":"event","stream":"orders","partition":2,"offset":118273,"ts":1795245600123,`
	tests := map[string]struct {
		content event.Content
		change  func(*record.Record)
		want    string
	}{
		"as in the protocol": {"json", func(r *record.Record) {
			r.Headers = []record.Header{{Name: []byte("trace"), Value: []byte("…")}}
		}, head + `"key":"eu-991","headers":[["trace","…"]],"data":{"total":12}}`},
		"without content JSON": {"", nil, head + `"key":"eu-991","data":{"total":12}}`},
		"null key":             {"json", func(r *record.Record) { r.Key = nil }, head + `"key":null,"data":{"total":12}}`},
		"empty key":            {"json", func(r *record.Record) { r.Key = []byte{} }, head + `"key":"","data":{"total":12}}`},
		"key null in letters":  {"json", func(r *record.Record) { r.Key = []byte("null") }, head + `"key":"null","data":{"total":12}}`},
		"key of bytes":         {"json", func(r *record.Record) { r.Key = []byte{0xff, 0} }, head + `"key":"/wA=","key_encoding":"base64","data":{"total":12}}`},
		"no timestamp": {
			"json", func(r *record.Record) { r.Timestamp = -1 },
			`{"type":"event","stream":"orders","partition":2,"offset":118273,"ts":null,"key":"eu-991","data":{"total":12}}`,
		},
		"headers": {"json", func(r *record.Record) {
			r.Headers = []record.Header{
				{Name: []byte("a"), Value: []byte("b")},
				{Name: []byte("a"), Value: nil},
				{Name: []byte("a"), Value: []byte{}},
				{Name: []byte(""), Value: []byte{0x80}},
			}
		}, head + `"key":"eu-991","headers":[["a","b"],["a",null],["a",""],["","gA==","base64"]],"data":{"total":12}}`},
		"no headers but a slice": {"json", func(r *record.Record) { r.Headers = []record.Header{} }, head + `"key":"eu-991","data":{"total":12}}`},
		"tombstone JSON":         {"json", func(r *record.Record) { r.Value = nil }, head + `"key":"eu-991","data":null,"tombstone":true}`},
		"tombstone bytes":        {"bytes", func(r *record.Record) { r.Value = nil }, head + `"key":"eu-991","data":null,"tombstone":true}`},
		"tombstone text":         {"text", func(r *record.Record) { r.Value = nil }, head + `"key":"eu-991","data":null,"tombstone":true}`},
		"tombstone any":          {"", func(r *record.Record) { r.Value = nil }, head + `"key":"eu-991","data":null,"tombstone":true}`},
		"JSON null":              {"json", func(r *record.Record) { r.Value = []byte("null") }, head + `"key":"eu-991","data":null}`},
		"lines": {
			"json", func(r *record.Record) { r.Value = []byte("{\r\n\t\"a\":1,\n\n\"b\\n\":2\r}\n") },
			head + "\"key\":\"eu-991\",\"data\":{  \t\"a\":1,  \"b\\n\":2 } }",
		},
		"numbers": {
			"json", func(r *record.Record) { r.Value = []byte(`[9007199254740993,1e400,-0,1.50]`) },
			head + `"key":"eu-991","data":[9007199254740993,1e400,-0,1.50]}`,
		},
		"duplicate keys": {"json", func(r *record.Record) { r.Value = []byte(`{"a":1,"a":2}`) }, head + `"key":"eu-991","data":{"a":1,"a":2}}`},
		"JSON as text":   {"text", nil, head + `"key":"eu-991","data":"{\"total\":12}"}`},
		"text":           {"text", func(r *record.Record) { r.Value = []byte("a\r\nb\x00\u2028") }, head + `"key":"eu-991","data":"a\r\nb\u0000\u2028"}`},
		"empty text":     {"text", func(r *record.Record) { r.Value = []byte{} }, head + `"key":"eu-991","data":""}`},
		"JSON as bytes":  {"bytes", nil, head + `"key":"eu-991","data":"eyJ0b3RhbCI6MTJ9","encoding":"base64"}`},
		"empty bytes":    {"bytes", func(r *record.Record) { r.Value = []byte{} }, head + `"key":"eu-991","data":"","encoding":"base64"}`},
		"any text":       {"", func(r *record.Record) { r.Value = []byte("hello") }, head + `"key":"eu-991","data":"hello","encoding":"text"}`},
		"any empty":      {"", func(r *record.Record) { r.Value = []byte{} }, head + `"key":"eu-991","data":"","encoding":"text"}`},
		"any bytes":      {"", func(r *record.Record) { r.Value = []byte{0xfe} }, head + `"key":"eu-991","data":"/g==","encoding":"base64"}`},
		"any too deep": {
			"", func(r *record.Record) { r.Value = []byte(strings.Repeat("[", 513) + strings.Repeat("]", 513)) },
			head + `"key":"eu-991","data":"` + strings.Repeat("[", 513) + strings.Repeat("]", 513) + `","encoding":"text"}`,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := &record.Record{Partition: 2, Offset: 118273, Timestamp: 1795245600123, Key: []byte("eu-991"), Value: []byte(`{"total":12}`)}
			if tt.change != nil {
				tt.change(r)
			}
			got, span, err := event.NewEncoder("orders", tt.content).Append([]byte("before "), r)
			if err != nil {
				t.Fatal(err)
			}
			text, ok := bytes.CutPrefix(got, []byte("before "))
			if !ok || string(text) != tt.want {
				t.Errorf("event\n got %s\nwant %s", got, tt.want)
			}
			wantKey, base64 := event.AppendKey(nil, r.Key)
			if key := text[span.Start:span.End]; !bytes.Equal(key, wantKey) || base64 != span.Base64 {
				t.Errorf("key span %+v holds %s, want %s", span, key, wantKey)
			}
		})
	}
}

func TestEventUnreadable(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		content event.Content
		offset  int64
		value   string
	}{
		"text as JSON":      {"json", 1, "hello"},
		"nothing as JSON":   {"json", 1, ""},
		"bytes as JSON":     {"json", 1, "\"\xff\""},
		"too deep as JSON":  {"json", 1, strings.Repeat("[", 513) + strings.Repeat("]", 513)},
		"stack overflow":    {"json", 1, strings.Repeat("[", 6_000_000)},
		"bytes as text":     {"text", 1, "\xff"},
		"offset of 2^53":    {"", 1 << 53, "{}"},
		"offset below zero": {"", -1, "{}"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := &record.Record{Offset: tt.offset, Value: []byte(tt.value)}
			got, span, err := event.NewEncoder("s", tt.content).Append([]byte("before"), r)
			if !errors.Is(err, event.ErrUnreadable) {
				t.Errorf("error %v, want ErrUnreadable", err)
			}
			if string(got) != "before" || span != (event.KeySpan{}) {
				t.Errorf("left %q and %+v behind", got, span)
			}
		})
	}
	deep := strings.Repeat("[", 512) + strings.Repeat("]", 512)
	if _, _, err := event.NewEncoder("s", "json").Append(nil, &record.Record{Offset: record.MaxOffset, Value: []byte(deep)}); err != nil {
		t.Errorf("the largest offset and depth: %v", err)
	}
}

func TestEncoderRefusesUnknownContent(t *testing.T) {
	t.Parallel()
	defer func() {
		if recover() == nil {
			t.Error("an unknown content was taken")
		}
	}()
	event.NewEncoder("s", "xml")
}

func TestEventAllocatesNothing(t *testing.T) {
	r := &record.Record{
		Partition: 2, Offset: 118273, Timestamp: 1795245600123, Key: []byte("eu-991 é"), Value: sampleValue,
		Headers: []record.Header{{Name: []byte("trace"), Value: []byte("00-1")}, {Name: []byte("b"), Value: []byte{0xff}}},
	}
	dst := make([]byte, 0, 4096)
	for _, content := range []event.Content{"", "json", "text", "bytes"} {
		e := event.NewEncoder("orders", content)
		if n := testing.AllocsPerRun(100, func() { dst, _, _ = e.Append(dst[:0], r) }); n != 0 {
			t.Errorf("content %q: %v allocations", content, n)
		}
	}
	e := event.NewEncoder("orders", "json")
	bad := &record.Record{Value: []byte("no")}
	if n := testing.AllocsPerRun(100, func() { dst, _, _ = e.Append(dst[:0], bad) }); n != 0 {
		t.Errorf("unreadable: %v allocations", n)
	}
}

// decoded is an event as a subscriber decodes it.
type decoded struct {
	Type        string              `json:"type"`
	Stream      string              `json:"stream"`
	Partition   int32               `json:"partition"`
	Offset      int64               `json:"offset"`
	TS          *int64              `json:"ts"`
	Key         *string             `json:"key"`
	KeyEncoding string              `json:"key_encoding"`
	Headers     [][]json.RawMessage `json:"headers"`
	Data        json.RawMessage     `json:"data"`
	Encoding    string              `json:"encoding"`
	Tombstone   bool                `json:"tombstone"`
}

func (e *decoded) value(t *testing.T, content event.Content) []byte {
	t.Helper()
	switch {
	case e.Tombstone:
		if string(e.Data) != "null" {
			t.Errorf("tombstone with data %s", e.Data)
		}
		return nil
	case e.Encoding == "base64":
		return unbase64(t, e.Data)
	case e.Encoding == "text" || content == event.ContentText:
		return []byte(unquote(t, e.Data))
	}
	return e.Data
}

func unquote(t *testing.T, raw []byte) (s string) {
	t.Helper()
	if err := json.Unmarshal(raw, &s); err != nil {
		t.Fatalf("unquote %q: %v", raw, err)
	}
	return s
}

func unbase64(t *testing.T, raw []byte) []byte {
	t.Helper()
	b, err := base64.StdEncoding.DecodeString(unquote(t, raw))
	if err != nil {
		t.Fatalf("decode %q: %v", raw, err)
	}
	return b
}

// FuzzEvent checks that an encoded event decodes, with encoding/json, to the
// original record.
func FuzzEvent(f *testing.F) {
	f.Add("orders", int32(2), int64(118273), int64(1795245600123), []byte("eu-991"), []byte("trace"), []byte("x"), []byte(`{"total":12}`), byte(0))
	f.Add("a\"b\r\n", int32(0), int64(0), int64(-1), []byte{0xff}, []byte{}, []byte{0xff}, []byte("a\r\n\x00"), byte(0xff))
	f.Add("", int32(0), int64(1)<<53, int64(0), []byte("\u2028"), []byte("\xff"), []byte("\u2029"), []byte("[1,\r\n2]"), byte(1))
	f.Add("s", int32(0), int64(7), int64(0), []byte{}, []byte("n"), []byte{}, []byte("\"\\ud800\""), byte(5))
	f.Fuzz(func(t *testing.T, stream string, partition int32, offset, ts int64, key, name, header, value []byte, how byte) {
		content := []event.Content{"", "json", "text", "bytes"}[how&3]
		r := &record.Record{Partition: partition, Offset: offset, Timestamp: ts, Key: key, Value: value}
		if how&4 != 0 {
			r.Key = nil
		}
		if how&8 != 0 {
			r.Value = nil
		}
		if how&16 != 0 {
			r.Headers = []record.Header{{Name: name, Value: header}, {Name: name}}
		}
		line, span, err := event.NewEncoder(stream, content).Append(nil, r)
		if err != nil {
			readable := offset >= 0 && offset < 1<<53 && (content != "json" || json.Valid(value) && utf8.Valid(value)) && (content != "text" || utf8.Valid(value))
			if !errors.Is(err, event.ErrUnreadable) || readable && len(value) < 512 {
				t.Fatalf("%q is refused: %v", value, err)
			}
			return
		}
		if !bytes.HasPrefix(line, []byte(event.Prefix)) {
			t.Errorf("begins otherwise: %q", line)
		}
		if bytes.ContainsAny(line, "\r\n\x00") {
			t.Errorf("holds CR, LF or NUL: %q", line)
		}
		if !utf8.Valid(line) {
			t.Errorf("is not UTF-8: %q", line)
		}
		dec := json.NewDecoder(bytes.NewReader(line))
		dec.DisallowUnknownFields()
		var got decoded
		if err := dec.Decode(&got); err != nil || dec.More() {
			t.Fatalf("does not decode: %v: %q", err, line)
		}
		if got.Type != "event" || utf8.ValidString(stream) && got.Stream != stream || got.Partition != partition || got.Offset != offset {
			t.Errorf("decodes to another place: %+v", got)
		}
		if gotTS := got.TS; (gotTS == nil) != (ts == -1) || gotTS != nil && *gotTS != ts {
			t.Errorf("decodes to another time: %+v", got)
		}
		if text, isBase64 := event.AppendKey(nil, r.Key); !bytes.Equal(text, line[span.Start:span.End]) || isBase64 != span.Base64 {
			t.Errorf("the key's span holds %q, want %q", line[span.Start:span.End], text)
		}
		var gotKey []byte
		if got.Key != nil {
			gotKey = []byte(*got.Key)
			if got.KeyEncoding == "base64" {
				gotKey = unbase64(t, line[span.Start:span.End])
			}
		}
		if (gotKey == nil) != (r.Key == nil) || !bytes.Equal(gotKey, r.Key) {
			t.Errorf("decodes to key %q, want %q", gotKey, r.Key)
		}
		gotValue := got.value(t, content)
		wantValue := r.Value
		if wantValue != nil && got.Encoding == "" && content != "text" {
			wantValue = bytes.Trim([]byte(strings.NewReplacer("\r", " ", "\n", " ").Replace(string(wantValue))), " \t")
		}
		if (gotValue == nil) != (wantValue == nil) || !bytes.Equal(gotValue, wantValue) {
			t.Errorf("decodes to value %q, want %q", gotValue, wantValue)
		}
		if len(got.Headers) != len(r.Headers) {
			t.Fatalf("decodes to %d headers, want %d", len(got.Headers), len(r.Headers))
		}
		for i, h := range got.Headers {
			want := r.Headers[i]
			if gotName := unquote(t, h[0]); utf8.Valid(want.Name) && gotName != string(want.Name) {
				t.Errorf("decodes to header name %q, want %q", gotName, want.Name)
			}
			var v []byte
			switch {
			case len(h) == 3:
				v = unbase64(t, h[1])
			case string(h[1]) != "null":
				v = []byte(unquote(t, h[1]))
			}
			if (v == nil) != (want.Value == nil) || !bytes.Equal(v, want.Value) {
				t.Errorf("decodes to header %q, want %q", v, want.Value)
			}
		}
	})
}

func BenchmarkEvent(b *testing.B) {
	r := &record.Record{Partition: 2, Offset: 118273, Timestamp: 1795245600123, Key: []byte("eu-991"), Value: sampleValue}
	for _, content := range []event.Content{"json", "", "text", "bytes"} {
		b.Run("content="+string(content), func(b *testing.B) {
			e := event.NewEncoder("orders", content)
			dst := make([]byte, 0, 4096)
			b.ReportAllocs()
			b.SetBytes(int64(len(r.Value)))
			for b.Loop() {
				var err error
				if dst, _, err = e.Append(dst[:0], r); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// TestUndecryptedIsListed: what could not be decrypted is named before the value, which is
// null if it is the whole value, whatever the content.
func TestUndecryptedIsListed(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		r    record.Record
		want string
	}{
		"a field":               {record.Record{Value: []byte(`{"a":null}`), Undecrypted: []string{"/a", `headers."`}}, `"undecrypted":["/a","headers.\""],"data":{"a":null}}`},
		"the value":             {record.Record{Undecrypted: []string{"data"}}, `"undecrypted":["data"],"data":null}`},
		"a header of tombstone": {record.Record{Undecrypted: []string{"headers.a"}}, `"undecrypted":["headers.a"],"data":null,"tombstone":true}`},
	} {
		for _, content := range []event.Content{event.ContentAny, event.ContentJSON} {
			got, _, err := event.NewEncoder("s", content).Append(nil, &c.r)
			if head := `{"type":"event","stream":"s","partition":0,"offset":0,"ts":0,"key":null,`; err != nil || string(got) != head+c.want {
				t.Errorf("%s, content %q: %s, %v", name, content, got, err)
			}
		}
	}
}
