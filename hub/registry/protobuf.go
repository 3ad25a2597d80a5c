package registry

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/sr"

	"sluice/hub"
	"sluice/hub/protobuf"
)

// protobufLanguage is Protocol Buffers.
var protobufLanguage = language{
	kind: Protobuf, registered: sr.TypeProtobuf, name: "a schema of Protobuf",
	encoder: func(text string, others []referred, record string) (Encoder, error) {
		compiled, err := compileProtobuf(text, others)
		if err != nil {
			return nil, err
		}
		message, err := compiled.Message(record)
		if err != nil {
			return nil, err
		}
		for _, other := range others {
			text += fmt.Sprintf("\n// The file %q, which is imported:\n\n%s", other.name, other.text)
		}
		sum := sha256.Sum256([]byte(text))
		return protobufMessage{message, []byte(text), hex.EncodeToString(sum[:16])}, nil
	},
	decoder: func(text string, others []referred) (decoder, error) {
		compiled, err := compileProtobuf(text, others)
		return protobufSchema{compiled}, err
	},
}

// protobufMessage is a message of a schema of Protobuf, with the text of the schema.
type protobufMessage struct {
	*protobuf.Message
	text []byte
	tag  string
}

// Text implements ingest.Definition. The files that the schema imports follow it.
func (p protobufMessage) Text() []byte { return p.text }

// MediaType implements ingest.Definition.
func (protobufMessage) MediaType() string { return "text/x-protobuf" }

// Tag implements ingest.Definition.
func (p protobufMessage) Tag() string { return p.tag }

// protobufSchema is a schema of Protobuf.
type protobufSchema struct{ *protobuf.Schema }

func compileProtobuf(text string, others []referred) (*protobuf.Schema, error) {
	files := make([]protobuf.File, len(others))
	for i, other := range others {
		files[i] = protobuf.File{Name: other.name, Text: other.text}
	}
	return protobuf.Compile(text, files...)
}

// decode implements decoder.
func (p protobufSchema) decode(dst, value []byte, most int) (shown, memory []byte, err error) {
	out, err := p.AppendJSON(dst, value, most)
	if errors.Is(err, protobuf.ErrTooLarge) {
		err = hub.ErrDecodedTooLarge
	}
	if err != nil {
		return nil, dst, err
	}
	return out[len(dst):], out, nil
}
