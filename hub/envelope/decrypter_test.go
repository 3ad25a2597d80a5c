package envelope_test

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/insecurecleartextkeyset"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/tink"

	"sluice/hub/envelope"
	"sluice/hub/event"
	"sluice/hub/record"
)

// fataler is a test, or a run of a property.
type fataler interface {
	Helper()
	Fatal(args ...any)
}

func must[V any](v V, err error) V {
	if err != nil {
		panic(err)
	}
	return v
}

// textOf returns the text of a keyset.
func textOf(h *keyset.Handle) []byte {
	var text bytes.Buffer
	if err := insecurecleartextkeyset.Write(h, keyset.NewJSONWriter(&text)); err != nil {
		panic(err)
	}
	return text.Bytes()
}

// producer encrypts with Tink alone.
type producer struct {
	keyset *keyset.Handle
	by     tink.AEAD
}

func newProducer(format envelope.Format) producer {
	return producerOf(must(keyset.NewHandle(aead.AES256GCMKeyTemplate())), format)
}

func producerOf(h *keyset.Handle, format envelope.Format) producer {
	p := producer{keyset: h, by: must(aead.New(h))}
	if format == envelope.FormatEnvelope {
		p.by = aead.NewKMSEnvelopeAEAD2(aead.AES256GCMKeyTemplate(), p.by)
	}
	return p
}

// seal returns a ciphertext.
func (p producer) seal(plaintext, context string) []byte {
	return must(p.by.Encrypt([]byte(plaintext), []byte(context)))
}

// field returns a ciphertext as it stands in JSON.
func (p producer) field(plaintext, context string) string {
	return `"` + base64.StdEncoding.EncodeToString(p.seal(plaintext, context)) + `"`
}

// decrypter returns what decrypts what the producer encrypts.
func (p producer) decrypter(t fataler, format envelope.Format, paths ...string) *envelope.Decrypter {
	t.Helper()
	k, err := envelope.NewKeyset(textOf(p.keyset), nil)
	if err != nil {
		t.Fatal(err)
	}
	cipher, err := envelope.NewCipher(k, format, "AES256_GCM")
	if err != nil {
		t.Fatal(err)
	}
	d, err := envelope.New(cipher, paths)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// header returns headers by their names and values.
func headers(all ...string) (made []record.Header) {
	for i := 0; i < len(all); i += 2 {
		made = append(made, record.Header{Name: []byte(all[i]), Value: []byte(all[i+1])})
	}
	return made
}

var formats = []envelope.Format{envelope.FormatEnvelope, envelope.FormatAEAD}

// TestPlaintext: what producers encrypt with Tink is decrypted at every kind of path, and
// nothing else is changed, nor is the record that is read.
func TestPlaintext(t *testing.T) {
	t.Parallel()
	for _, format := range formats {
		p := newProducer(format)
		for name, c := range map[string]struct {
			paths       string
			value, want string
			headers     []record.Header
			wantHeaders []record.Header
		}{
			"a field":  {paths: "/card/number", value: `{"n":1,"card":{"number":` + p.field(`"4111"`, "orders:/card/number") + `,"exp":2}}`, want: `{"n":1,"card":{"number":"4111","exp":2}}`},
			"any JSON": {paths: "/a", value: `{"a":` + p.field(`{"x":[1.50,null],"x":"é"}`, "orders:/a") + `}`, want: `{"a":{"x":[1.50,null],"x":"é"}}`},
			"elements": {
				paths: "/items/*/price",
				value: `{"items":[{"price":` + p.field("1", "orders:/items/*/price") + `},{"price":` + p.field("2", "orders:/items/*/price") + `},{}]}`,
				want:  `{"items":[{"price":1},{"price":2},{}]}`,
			},
			"twice, escaped": {paths: "/a", value: `{"a":` + p.field("1", "orders:/a") + `,"b":0,"\u0061":` + p.field("2", "orders:/a") + `}`, want: `{"a":1,"b":0,"\u0061":2}`},
			"names":          {paths: "/a~1b/c~0d", value: `{"a/b":{"c~d":` + p.field("1", "orders:/a~1b/c~0d") + `}}`, want: `{"a/b":{"c~d":1}}`},
			"slashes": {
				paths: "/a", value: `{"a":` + strings.ReplaceAll(p.field(`"////"`, "orders:/a"), "/", `\/`) + `}`, want: `{"a":"////"}`,
			},
			"absent":     {paths: "/b", value: ` {"a" : "x"}`, want: ` {"a" : "x"}`},
			"null":       {paths: "/a", value: `{"a":null}`, want: `{"a":null}`},
			"not JSON":   {paths: "/a", value: `text`, want: `text`},
			"the value":  {paths: "data", value: string(p.seal("any \xff bytes", "orders:data")), want: "any \xff bytes"},
			"empty":      {paths: "data", value: string(p.seal("", "orders:data")), want: ""},
			"tombstone":  {paths: "data /x", value: "TOMBSTONE", want: "TOMBSTONE"},
			"tombstone2": {paths: "/x", value: "TOMBSTONE", want: "TOMBSTONE"},
			"headers": {
				paths: "headers.s headers.t /a", value: `{"a":` + p.field("1", "orders:/a") + `}`, want: `{"a":1}`,
				headers:     append(headers("s", string(p.seal("one", "orders:headers.s")), "u", "same", "s", string(p.seal("\xfe", "orders:headers.s"))), record.Header{Name: []byte("t")}),
				wantHeaders: append(headers("s", "one", "u", "same", "s", "\xfe"), record.Header{Name: []byte("t")}),
			},
		} {
			paths := strings.Fields(c.paths)
			if name == "tombstone" {
				paths = paths[:1]
			}
			read := record.Record{Partition: 1, Offset: 2, Epoch: 3, Timestamp: 4, Key: []byte("k"), Value: []byte(c.value), Headers: c.headers}
			if c.value == "TOMBSTONE" {
				read.Value = nil
			}
			before := fmt.Sprintf("%+v", read)
			dst := append(make([]byte, 0, 4096), "before"...)
			got, memory := p.decrypter(t, format, paths...).Decrypt(dst, "orders", &read)
			want := read
			want.Value, want.Headers = []byte(c.want), c.wantHeaders
			if c.want == "TOMBSTONE" {
				want.Value = nil
			}
			if a, b := fmt.Sprintf("%+v", got), fmt.Sprintf("%+v", want); a != b || (got.Value == nil) != (want.Value == nil) {
				t.Errorf("%s, %s:\n got %s\nwant %s", format, name, a, b)
			}
			if string(memory[:6]) != "before" || fmt.Sprintf("%+v", read) != before {
				t.Errorf("%s, %s: the record that was read, or memory before it, was changed", format, name)
			}
		}
	}
}

// TestUndecrypted: what is no ciphertext of the place becomes null, and is listed. Neither
// it nor what was not authenticated remains.
func TestUndecrypted(t *testing.T) {
	t.Parallel()
	const context = "orders:/a"
	for _, format := range formats {
		p, other := newProducer(format), newProducer(format)
		encode := base64.StdEncoding.EncodeToString
		good := p.seal(`"plain"`, context)
		flipped := slices.Clone(good)
		flipped[len(flipped)-1] ^= 1
		for name, value := range map[string]string{
			"plaintext":         `"plain"`,
			"a number":          `7`,
			"an object":         `{"a":"plain"}`,
			"empty":             `""`,
			"not base64":        `"%plain%"`,
			"without padding":   `"` + strings.TrimRight(encode(append(good, 0)), "=") + `"`,
			"base64url":         `"-_-_plain-_-_"`,
			"lone surrogate":    `"\ud800"`,
			"another key":       other.field(`"plain"`, context),
			"another topic":     p.field(`"plain"`, "payments:/a"),
			"another path":      p.field(`"plain"`, "orders:/b"),
			"no context":        p.field(`"plain"`, ""),
			"a bit":             `"` + encode(flipped) + `"`,
			"cut off":           `"` + encode(good[:len(good)-1]) + `"`,
			"a prefix":          `"` + encode(good[:5]) + `"`,
			"more":              `"` + encode(append(slices.Clone(good), 'x')) + `"`,
			"plaintext no JSON": p.field("plain", context),
			"plaintext empty":   p.field("", context),
			"two values":        p.field(`1 2`, context),
			"not UTF-8":         p.field("\"\xff\"", context),
			"too deep":          p.field(strings.Repeat("[", event.MaxDataDepth)+strings.Repeat("]", event.MaxDataDepth), context),
			"another format":    producerOf(p.keyset, formats[(slices.Index(formats, format)+1)%2]).field(`"plain"`, context),
		} {
			got, _ := p.decrypter(t, format, "/z", "/a").Decrypt(nil, "orders", &record.Record{Value: []byte(`{"a":` + value + `,"b":1}`)})
			if string(got.Value) != `{"a":null,"b":1}` || !slices.Equal(got.Undecrypted, []string{"/a"}) {
				t.Errorf("%s, a field, %s: %s %v", format, name, got.Value, got.Undecrypted)
			}
		}
		for name, bytes := range map[string][]byte{
			"plaintext": []byte("plain"), "empty": {}, "another key": other.seal("plain", "orders:data"), "another path": p.seal("plain", "orders:headers.s"),
			"another topic": p.seal("plain", "payments:data"), "in base64": []byte(encode(p.seal("plain", "orders:data"))),
			"a long key": binary.BigEndian.AppendUint32(nil, 1<<31), "a key of 5000 bytes": append(binary.BigEndian.AppendUint32(nil, 5000), make([]byte, 6000)...),
		} {
			read := record.Record{Value: bytes, Headers: []record.Header{{Name: []byte("s"), Value: bytes}, {Name: []byte("u"), Value: bytes}}}
			if name == "another path" {
				read.Headers[0].Value = p.seal("plain", "orders:data")
			}
			got, _ := p.decrypter(t, format, "headers.s", "data").Decrypt(nil, "orders", &read)
			if got.Value != nil || got.Headers[0].Value != nil || got.Headers[1].Value == nil || !slices.Equal(got.Undecrypted, []string{"headers.s", "data"}) {
				t.Errorf("%s, %s: %+v", format, name, got)
			}
		}
		// One that can be decrypted does not hide one that cannot.
		text := `[{"p":` + p.field("1", "orders:/*/p") + `},{"p":2}]`
		got, _ := p.decrypter(t, format, "/*/p").Decrypt(nil, "orders", &record.Record{Value: []byte(text)})
		if string(got.Value) != `[{"p":1},{"p":null}]` || !slices.Equal(got.Undecrypted, []string{"/*/p"}) {
			t.Errorf("%s, one of two: %s %v", format, got.Value, got.Undecrypted)
		}
	}
}

// TestOtherImplementations: ciphertexts that the implementation of Tink in Python and C++
// (tink 1.16.1) has made.
func TestOtherImplementations(t *testing.T) {
	t.Parallel()
	const key = `{"primaryKeyId":233971663,"key":[{"keyData":{"typeUrl":"type.googleapis.com/google.crypto.tink.AesGcmKey","value":"GiDh+89P/YOWGV1f0Qc9EmVfpec6b6WwFdtOzjYK5H214A==","keyMaterialType":"SYMMETRIC"},"status":"ENABLED","keyId":233971663,"outputPrefixType":"TINK"}]}`
	for _, c := range []struct {
		format              envelope.Format
		dataKey, ciphertext string
	}{
		{envelope.FormatAEAD, "AES256_GCM", "AQ3yH89Yld8V/BLT+a6Tr2BIumtAaqJyzmHwpHtsjysLdLeU4nTLEjqZw7fP6E1AwXjy"},
		{envelope.FormatEnvelope, "AES256_GCM", "AAAAQwEN8h/PkquUi68MuJZXLc2aDktIxODJ4X5ApIbxvMrAIcwK1DV3Kl5Cm6TZC47ioYHvTGDyFmXoC9cRp2pAjD+tJtddyTdWZNwSMmfIWW4iv+by8wqwGitdfs+Wdz9RJ2yZ3btXU/qdxi9HV1OTVq+N"},
		{envelope.FormatEnvelope, "XCHACHA20_POLY1305", "AAAAQwEN8h/PRcNrmoCpKJ4URkHbNqIjwyO3L6IJgSS9jqaj+JClho1nw3tOiIZ08uoU484pykzhgg32GRKdgW7o2nclNhjHposyokksFrItvp46nId1x8WHMrFeYrMbKMQHRf5K9E9A7go7iYsPn2MWTBrD3mDwbNCVbJjGyMzE"},
	} {
		d := must(envelope.New(must(envelope.NewCipher(must(envelope.NewKeyset([]byte(key), nil)), c.format, c.dataKey)), []string{"/card/number"}))
		got, _ := d.Decrypt(nil, "orders", &record.Record{Value: []byte(`{"card":{"number":"` + c.ciphertext + `"}}`)})
		if string(got.Value) != `{"card":{"number":"4111111111111111"}}` || got.Undecrypted != nil {
			t.Errorf("%s, %s: %s", c.format, c.dataKey, got.Value)
		}
	}
}

// TestOverlappingPaths: a decrypter is not made of paths that could be one value.
func TestOverlappingPaths(t *testing.T) {
	t.Parallel()
	k := must(envelope.NewKeyset(textOf(newProducer(envelope.FormatAEAD).keyset), nil))
	cipher := must(envelope.NewCipher(k, envelope.FormatAEAD, "AES256_GCM"))
	for _, paths := range [][]string{{"/a", "/a/b"}, {"data", "/a"}, {"headers.*"}, {"a"}} {
		if _, err := envelope.New(cipher, paths); err == nil {
			t.Errorf("made of %v", paths)
		}
	}
	one, same, other := must(envelope.New(cipher, []string{"/a"})), must(envelope.New(cipher, []string{"/a"})), must(envelope.New(cipher, []string{"/b"}))
	inFormat := must(envelope.New(must(envelope.NewCipher(k, envelope.FormatEnvelope, "AES256_GCM")), []string{"/a"}))
	otherKeys := must(envelope.NewKeyset(textOf(newProducer(envelope.FormatAEAD).keyset), nil))
	rotated := must(envelope.New(must(envelope.NewCipher(otherKeys, envelope.FormatAEAD, "AES256_GCM")), []string{"/a"}))
	if !one.Equal(same) || one.Equal(other) || one.Equal(inFormat) || one.Equal(rotated) {
		t.Error("decrypters that decrypt otherwise are equal, or those that do not are not")
	}
}

func BenchmarkDecrypt(b *testing.B) {
	for _, format := range formats {
		p := newProducer(format)
		value := []byte(`{"order":118273,"customer":"eu-991","total":129.95,"currency":"EUR","state":"paid","card":{"number":` + p.field(`"4111111111111111"`, "orders:/card/number") + `,"exp":"12/29"},"placed_at":1795245600123}`)
		for name, r := range map[string]record.Record{
			"field":  {Value: value},
			"absent": {Value: []byte(`{"order":118273,"customer":"eu-991","total":129.95,"currency":"EUR","state":"paid","card":{"exp":"12/29"},"placed_at":1795245600123}`)},
			"data":   {Value: p.seal(string(value), "orders:data")},
		} {
			b.Run(string(format)+"/"+name, func(b *testing.B) {
				path := "/card/number"
				if name == "data" {
					path = "data"
				}
				d := p.decrypter(b, format, path)
				var memory []byte
				b.ReportAllocs()
				for b.Loop() {
					var plain record.Record
					plain, memory = d.Decrypt(memory[:0], "orders", &r)
					if plain.Undecrypted != nil {
						b.Fatal("not decrypted")
					}
				}
			})
		}
	}
}
