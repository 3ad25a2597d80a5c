package registry

import (
	"errors"

	"github.com/twmb/franz-go/pkg/sr"

	"sluice/hub"
	"sluice/hub/avro"
)

// avroLanguage is Avro.
var avroLanguage = language{
	kind: Avro, registered: sr.TypeAvro, name: "a schema of Avro",
	encoder: func(text string, others []referred, _ string) (Encoder, error) {
		compiled, err := compileAvro(text, others)
		if err != nil {
			return nil, err
		}
		return compiled, compiled.Encodes()
	},
	decoder: func(text string, others []referred) (decoder, error) {
		compiled, err := compileAvro(text, others)
		return avroSchema{compiled}, err
	},
}

// avroSchema is a schema of Avro.
type avroSchema struct{ *avro.Schema }

func compileAvro(text string, others []referred) (*avro.Schema, error) {
	texts := make([]string, len(others))
	for i, other := range others {
		texts[i] = other.text
	}
	return avro.Compile(text, texts...)
}

// decode implements decoder.
func (a avroSchema) decode(dst, value []byte, most int) (shown, memory []byte, err error) {
	out, err := a.AppendJSON(dst, value, most)
	if errors.Is(err, avro.ErrTooLarge) {
		err = hub.ErrDecodedTooLarge
	}
	if err != nil {
		return nil, dst, err
	}
	return out[len(dst):], out, nil
}
