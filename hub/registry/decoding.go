package registry

import (
	"errors"

	"github.com/twmb/franz-go/pkg/sr"

	"sluice/hub"
	"sluice/hub/avro"
)

var (
	errUnknown = errors.New("the schema of the value is not known")
	errFormat  = errors.New("the schema of the value is of another kind than the stream has")
)

// Decoding decodes values by the ids of their schemas. It implements hub.Decoder, and is the
// same for the same arguments of Registry.Decoding.
type Decoding struct {
	ids  *ids
	json bool
	most int
}

// Decoding returns a decoder of values of Avro, and also of JSON if that is said, to JSON of
// at most so many bytes. It needs the records of Registry.Source.
func (r *Registry) Decoding(json bool, most int) *Decoding {
	made, _ := r.decodings.LoadOrStore(Decoding{r.ids, json, most}, &Decoding{r.ids, json, most})
	return made.(*Decoding)
}

// Decode implements hub.Decoder.
func (d *Decoding) Decode(dst, stored []byte) (value, memory []byte, err error) {
	id, value, err := Unframe(stored)
	if err != nil {
		return nil, dst, err
	}
	w := d.ids.known(id)
	switch {
	case w == nil:
		return nil, dst, errUnknown
	case w.err != nil:
		return nil, dst, w.err
	case w.kind == sr.TypeJSON && d.json:
		return value, dst, nil
	case w.kind != sr.TypeAvro:
		return nil, dst, errFormat
	}
	out, err := w.avro.AppendJSON(dst, value, d.most)
	if errors.Is(err, avro.ErrTooLarge) {
		err = hub.ErrDecodedTooLarge
	}
	if err != nil {
		return nil, dst, err
	}
	return out[len(dst):], out, nil
}
