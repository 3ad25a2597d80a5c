package registry

import "errors"

var (
	errUnknown = errors.New("the schema of the value is not known")
	errFormat  = errors.New("the schema of the value is of another kind than the stream has")
)

// Decoding decodes values by the ids of their schemas. It implements hub.Decoder, and is the
// same for the same arguments of Registry.Decoding.
type Decoding struct {
	ids  *ids
	kind Kind
	most int
}

// Decoding returns a decoder of values whose schemas are of a kind, to JSON of at most so many
// bytes. It needs the records of Registry.Source.
func (r *Registry) Decoding(kind Kind, most int) *Decoding {
	made, _ := r.decodings.LoadOrStore(Decoding{r.ids, kind, most}, &Decoding{r.ids, kind, most})
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
	case d.kind != AnyKind && d.kind != w.kind:
		return nil, dst, errFormat
	case w.decoder == nil:
		return value, dst, nil
	}
	return w.decoder.decode(dst, value, d.most)
}
