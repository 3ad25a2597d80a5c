package avro_test

import (
	"testing"
	"time"

	"sluice/hub/avro"
	"sluice/hub/hubtest/bounds"
	"sluice/hub/jsonscan"
)

// FuzzSchema: whatever a registry says the schema is, and whatever bytes then follow, costs
// bounded memory and time, and is shown as JSON within its bound with nothing of another value.
func FuzzSchema(f *testing.F) {
	for _, text := range []string{
		order, `"bytes"`, `["null",{"type":"array","items":"null"}]`, `{"type":"map","values":{"type":"array","items":["null","long"]}}`,
		`{"type":"record","name":"R","fields":[]}`, `{"type":"record","name":"R","fields":[{"name":"r","type":"R"}]}`,
		`{"type":"fixed","name":"F","size":1000000000}`, `{"type":"bytes","logicalType":"decimal","precision":9,"scale":2}`,
		`{"type":"enum","name":"E","symbols":["A"],"default":"A"}`, `{"type":"array","items":{"type":"fixed","name":"F","size":0}}`,
	} {
		f.Add(text, []byte(value+"\x00"))
		f.Add(text, []byte("\xfe\xff\xff\xff\xff\xff\xff\xff\x7f")) // a count of 2^62
		f.Add(text, []byte("\x01\x80\x80\x80\x80\x80\x80\x80\x80\x40\x00"))
	}
	costs := bounds.Limits{Bytes: 4 << 20, PerByte: 2000, Time: 10 * time.Second}
	const most = 5000
	f.Fuzz(func(t *testing.T, text string, in []byte) {
		var s *avro.Schema
		var err error
		costs.Check(t, len(text), func() { s, err = avro.Compile(text) })
		if err != nil {
			bounds.Own(t, []byte(err.Error()), []byte(text))
			return
		}
		used := []byte(bounds.Foreign + bounds.Foreign)
		var got []byte
		decoding := bounds.Limits{Bytes: 2 << 20, PerByte: 20, Time: 10 * time.Second}
		decoding.Check(t, len(in), func() { got, err = s.AppendJSON(used[:0], in, most) })
		if err != nil {
			bounds.Own(t, []byte(err.Error()), in, []byte(text))
			return
		}
		bounds.Own(t, got, in, []byte(text))
		if len(got) > most || jsonscan.Check(got, 600) != nil {
			t.Errorf("%x of %s is shown as %s", in, text, got)
		}
	})
}
