package protobuf_test

import (
	"bytes"
	"testing"

	"sluice/hub/jsonscan"
	"sluice/hub/schema"
)

// FuzzAppendJSON: whatever the bytes are, the result is JSON within its bound, or an error.
func FuzzAppendJSON(f *testing.F) {
	f.Add([]byte("\x00\x18\x01"), uint8(0))
	f.Add([]byte("\x00\x08\x01\x1b\x1c"), uint8(1))
	f.Add([]byte("\x00"+bytesField(58, 8, "\x0a\x03x/y\x12\x01\xff")), uint8(0))
	f.Add([]byte("\x00"+nested(17, 99)), uint8(0))
	all := pairs(f)
	f.Fuzz(func(t *testing.T, in []byte, which uint8) {
		p := all[int(which)%len(all)]
		got, err := p.schema.AppendJSON(nil, in, 5000)
		if err != nil {
			return
		}
		if len(got) > 5000 || jsonscan.Check(got, 600) != nil || jsonscan.CheckNames(got, 0) != nil {
			t.Fatalf("%x is shown as %s", in, got)
		}
		if again, err := p.schema.AppendJSON(nil, in, 5000); err != nil || !bytes.Equal(again, got) {
			t.Fatalf("%x is shown as %s, then as %s, %v", in, got, again, err)
		}
		if len(in) > 1 && in[0] == 0 {
			if want, err := p.show(in[1:]); err == nil && plain(t, want) != plain(t, got) {
				t.Fatalf("%x is shown as %s, and not %s", in, got, want)
			}
		}
	})
}

// FuzzEncode: whatever the document is, what is encoded is what the other implementation reads,
// which accepts all that is accepted here.
func FuzzEncode(f *testing.F) {
	for _, seed := range []string{`{}`, `{"anInt64":"5","child":{"a_bool":true}}`, `{"id":1,"size":"LARGE"}`, `{"required":1,"delimited":{"required":2}}`, `{"any":{"@type":"x/test.All","aBool":true},"at":"2026-11-29T12:00:00Z","took":"1s","mask":"aB"}`, `{"object":{"a":[1]},"byInt32":{"1":"x"}}`} {
		f.Add([]byte(seed), uint8(0))
		f.Add([]byte(seed), uint8(1))
		f.Add([]byte(seed), uint8(2))
	}
	all := pairs(f)
	f.Fuzz(func(t *testing.T, in []byte, which uint8) {
		if jsonscan.Check(in, 200) != nil || jsonscan.CheckNames(in, 0) != nil {
			return
		}
		p := all[int(which)%len(all)]
		got, result := p.message.Encode(nil, in, limits)
		for _, v := range result.Violations {
			if v.Message == "" || v.Keyword == "" || len(v.Pointer) > schema.MaxPointer {
				t.Fatalf("%s: %v", in, v)
			}
		}
		if len(result.Violations) > 0 {
			return
		}
		if !p.agreeJSON(t, in) {
			t.Fatalf("%s is encoded as %x", in, got)
		}
	})
}
