package envelope_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"sluice/hub/envelope"
	"sluice/hub/event"
	"sluice/hub/record"
)

// The model shares no code with the package: it encrypts with Tink at places of a value,
// and compares what encoding/json decodes with the value as it was.

var modelPaths = []string{"/a", "/b/*", "/c/*/d", "/0/1", "/é"}

// pathOf returns the path of a place, "" for none.
func pathOf(place []string) string {
	for _, path := range modelPaths {
		parts := strings.Split(path, "/")[1:]
		if slices.EqualFunc(parts, place, func(part, name string) bool { return part == "*" || part == name }) {
			return path
		}
	}
	return ""
}

// drawing draws a value, as it is read and as it is to be shown.
type drawing struct {
	t        *rapid.T
	by       producer
	failed   map[string]bool
	replaced int
}

func (d *drawing) value(depth int, place []string) (read, shown string) {
	path := pathOf(place)
	if path == "" {
		return d.plain(depth, place)
	}
	d.replaced++
	switch kind := rapid.IntRange(0, 9).Draw(d.t, "sealed"); kind {
	case 0:
		return "null", "null"
	case 1, 2:
		d.failed[path] = true
		read = rapid.SampledFrom([]string{
			`"leak"`, `{"leak":1}`, `"AAAA"`, `[]`, `false`, d.by.field(`"leak"`, "orders:/leak"), d.by.field(`leak`, "orders:"+path), d.by.field(`"leak"`, "leak:"+path),
		}).Draw(d.t, "bad")
		return read, "null"
	default:
		_, text := (&drawing{t: d.t, by: d.by, failed: map[string]bool{}}).plain(2, []string{"none"})
		return d.by.field(text, "orders:"+path), text
	}
}

func (d *drawing) plain(depth int, place []string) (read, shown string) {
	kind := rapid.IntRange(0, 9).Draw(d.t, "kind")
	if depth == 0 {
		kind %= 4
	}
	if len(place) == 0 {
		kind = 4 + kind%5
	}
	var reads, shows []string
	switch {
	case kind < 4:
		text := []string{`1e2`, `"text"`, `true`, `"AAAA"`}[kind]
		return text, text
	case kind < 8:
		for range rapid.IntRange(0, 6).Draw(d.t, "members") {
			name := rapid.SampledFrom([]string{"a", "b", "c", "c", "d", "d", "0", "1", "é", "/"}).Draw(d.t, "name")
			raw := strconv.Quote(name)
			if rapid.Bool().Draw(d.t, "escaped") {
				raw = fmt.Sprintf(`"\u%04x"`, []rune(name)[0])
			}
			read, shown := d.value(depth-1, append(slices.Clone(place), name))
			reads, shows = append(reads, raw+" : "+read), append(shows, raw+":"+shown)
		}
		return "{" + strings.Join(reads, ", ") + "}", "{" + strings.Join(shows, ",") + "}"
	default:
		for i := range rapid.IntRange(0, 3).Draw(d.t, "elements") {
			read, shown := d.value(depth-1, append(slices.Clone(place), strconv.Itoa(i)))
			reads, shows = append(reads, read), append(shows, shown)
		}
		return "[" + strings.Join(reads, ", ") + "]", "[" + strings.Join(shows, ",") + "]"
	}
}

// tokens returns what encoding/json reads, in its order, with repeated members.
func tokens(t fataler, text []byte) (all []string) {
	t.Helper()
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	for decoder.More() {
		for {
			token, err := decoder.Token()
			if err != nil {
				if err.Error() != "EOF" {
					t.Fatal(err, string(text))
				}
				return all
			}
			all = append(all, fmt.Sprintf("%T %v", token, token))
		}
	}
	return all
}

// TestAgainstModel: every value at a path is shown as what was encrypted, or as null.
func TestAgainstModel(t *testing.T) {
	t.Parallel()
	replaced := 0
	for _, format := range formats {
		p := newProducer(format)
		all := p.decrypter(t, format, modelPaths...)
		rapid.Check(t, func(t *rapid.T) {
			d := &drawing{t: t, by: p, failed: map[string]bool{}}
			read, shown := d.value(4, nil)
			replaced += d.replaced
			got, _ := all.Decrypt(nil, "orders", &record.Record{Value: []byte(read)})
			var failed []string
			for _, path := range modelPaths {
				if d.failed[path] {
					failed = append(failed, path)
				}
			}
			if !slices.Equal(tokens(t, got.Value), tokens(t, []byte(shown))) || !slices.Equal(got.Undecrypted, failed) {
				t.Fatal(fmt.Sprintf("%s\n got %s %v\nwant %s %v", read, got.Value, got.Undecrypted, shown, failed))
			}
		})
	}
	if replaced < 100 {
		t.Errorf("only %d values were encrypted", replaced)
	}
}

// FuzzOpen: nothing in a record makes it fail, and what stands where a ciphertext is
// expected is never shown: only null is, or what the key has authenticated.
func FuzzOpen(f *testing.F) {
	p := producerOf(fixedKeyset(), envelope.FormatEnvelope)
	good := p.seal(`"secret"`, "orders:/a")
	f.Add([]byte(`{"a":"`+base64.StdEncoding.EncodeToString(good)+`"}`), good, false)
	f.Add([]byte(`{"\u0061":[{"a":1}],"a":"\/\/\/\/"}`), p.seal("x", "orders:data"), true)
	f.Add([]byte(`[]`), []byte{0, 0, 0, 1, 2}, true)
	f.Add([]byte("\xff"), []byte{0xff, 0xff, 0xff, 0xff, 0}, false)
	f.Fuzz(func(t *testing.T, value, sealed []byte, direct bool) {
		format := envelope.FormatEnvelope
		if direct {
			format = envelope.FormatAEAD
		}
		fields := p.decrypter(t, format, "/a", "headers.a")
		read := record.Record{Value: value, Headers: []record.Header{{Name: []byte("a"), Value: sealed}}}
		got, _ := fields.Decrypt(nil, "orders", &read)
		if h := got.Headers[0].Value; sealed != nil && h != nil {
			t.Errorf("a header is shown: %q", h)
		}
		var members map[string]json.RawMessage
		if json.Unmarshal(got.Value, &members) == nil && bytes.Equal(got.Value, value) == false || len(got.Undecrypted) > 1 {
			if a := string(members["a"]); a != "null" && a != `"secret"` {
				t.Errorf("%q shows %s", value, a)
			}
		}
		if _, _, err := event.NewEncoder("s", event.ContentAny).Append(nil, &got); err != nil {
			t.Error(err)
		}
		whole, _ := p.decrypter(t, format, "data").Decrypt(nil, "orders", &record.Record{Value: sealed})
		if whole.Value != nil && string(whole.Value) != "x" {
			t.Errorf("a value is shown: %q", whole.Value)
		}
	})
}
