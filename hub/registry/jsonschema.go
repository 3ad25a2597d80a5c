package registry

import (
	"slices"

	"github.com/twmb/franz-go/pkg/sr"

	"sluice/hub/schema"
)

// jsonLanguage is JSON Schema.
var jsonLanguage = language{
	kind: JSONSchema, registered: sr.TypeJSON, name: "a JSON Schema",
	encoder: func(text string, others []referred, _ string) (Encoder, error) {
		whole, err := bundle(text, others)
		if err != nil {
			return nil, err
		}
		compiled, err := schema.Options{Draft: defaultDraft, AnyFormat: true}.Compile(whole)
		if err != nil {
			return nil, err
		}
		return jsonSchema{compiled}, nil
	},
	withoutEffect: func(e Encoder) []string {
		compiled := e.(jsonSchema)
		return slices.Concat(compiled.Misplaced(), compiled.UnknownFormats())
	},
}

// jsonSchema is a JSON Schema. Values are stored as they are.
type jsonSchema struct{ *schema.JSON }

// Encode implements ingest.Encoder.
func (j jsonSchema) Encode(dst, value []byte, limits schema.Limits) ([]byte, schema.Result) {
	result := j.Validate(value, limits)
	if len(result.Violations) > 0 {
		return dst, result
	}
	return append(dst, value...), result
}
