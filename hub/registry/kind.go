package registry

import (
	"github.com/twmb/franz-go/pkg/sr"

	"sluice/hub/ingest"
)

// Kind is a kind of schema that the values of a stream have.
type Kind string

// The kinds.
const (
	// AnyKind is any of the others, by the schema of the value.
	AnyKind Kind = ""
	// JSONSchema is a JSON Schema. Its values are stored as JSON.
	JSONSchema Kind = "json_schema"
	// Avro is a schema of Avro, in whose binary encoding its values are stored.
	Avro Kind = "avro"
	// Protobuf is a schema of Protocol Buffers, in whose binary encoding its values are stored,
	// after the indexes of their message in the schema.
	Protobuf Kind = "protobuf"
)

// Encoder is a schema by which values are published: it checks values in JSON, and encodes
// them as they are stored after its id. It is immutable.
type Encoder interface {
	ingest.Definition
	ingest.Encoder
}

// decoder is a schema by which values are read. It is immutable.
type decoder interface {
	// decode returns a value, which was stored after the id, as JSON of at most so many
	// bytes. Like that of hub.Decoder, the JSON is a part of the value or of memory, which is
	// dst or what has replaced it. A larger one is hub.ErrDecodedTooLarge.
	decode(dst, value []byte, most int) (shown, memory []byte, err error)
}

// language is what is known of a kind of schema.
type language struct {
	kind Kind
	// registered is what registries call it, and name what messages do.
	registered sr.SchemaType
	name       string
	// encoder makes what values are published by, of a schema and those that it refers to,
	// each after those that it refers to itself. The record is the type of the values, if a
	// schema can have several; "" for the first.
	encoder func(text string, others []referred, record string) (Encoder, error)
	// withoutEffect returns the places of a schema from encoder that have no effect, which
	// may not be meant. It is nil if there are none in schemas of the kind.
	withoutEffect func(Encoder) []string
	// decoder makes what values are read by. It is nil if their schema is not needed for
	// that: they are JSON.
	decoder func(text string, others []referred) (decoder, error)
}
