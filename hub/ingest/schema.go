package ingest

import (
	"context"

	"sluice/hub/schema"
)

// Definition is the schema of a stream as clients are shown it.
type Definition interface {
	// Text returns the schema as it was written, and MediaType its type. The text must not
	// be changed.
	Text() []byte
	MediaType() string
	// Tag returns a text that no other schema has.
	Tag() string
}

// Registered is a Definition that has an id in a registry.
type Registered interface {
	Definition
	ID() uint32
}

// Fixed returns a schema that does not change, for Stream.Schema.
func Fixed(schema Definition) func() (Definition, error) {
	return func() (Definition, error) { return schema, nil }
}

// Validator checks values. A schema.JSON is one.
type Validator interface {
	// Validate returns what is wrong with a value. It does not block.
	Validate(value []byte, limits schema.Limits) schema.Result
}

// Encoder checks values in JSON, and encodes them as they are stored.
type Encoder interface {
	// Encode appends a value as it is stored, or returns what is wrong with it. It does not
	// block.
	Encode(dst, value []byte, limits schema.Limits) ([]byte, schema.Result)
}

// Conforms is a step that refuses values that do not match the schema of the stream.
// Tombstones have no value. It comes after all steps that find out whether a value is JSON.
type Conforms struct {
	Schema Validator
	// Limits are for all records of a request together.
	Limits schema.Limits
	// Turns are those of all steps that share them: a batch is checked one value after the
	// other, and few of them at the same time, so that their memory is bounded.
	Turns *Turns
}

// Check implements Step. It blocks until it is its turn.
func (c Conforms) Check(ctx context.Context, b *Batch) {
	c.each(ctx, b, func(m *Message, limits schema.Limits) schema.Result { return c.Schema.Validate(m.Value, limits) })
}

// Settled implements Step.
func (Conforms) Settled(*Batch) {}

// Encodes is a step like Conforms, for values that are stored in another form than JSON.
// Steps after it still see the JSON.
type Encodes struct {
	Schema Encoder
	// Limits and Turns are those of Conforms.
	Limits schema.Limits
	Turns  *Turns
}

// Check implements Step. It blocks like that of Conforms.
func (e Encodes) Check(ctx context.Context, b *Batch) {
	Conforms{Limits: e.Limits, Turns: e.Turns}.each(ctx, b, func(m *Message, limits schema.Limits) schema.Result {
		encoded, result := e.Schema.Encode(nil, m.Value, limits)
		if len(result.Violations) == 0 {
			m.Encoded = encoded
		}
		return result
	})
}

// Settled implements Step.
func (Encodes) Settled(*Batch) {}

// each checks all records of a batch that have a value.
func (c Conforms) each(ctx context.Context, b *Batch, of func(*Message, schema.Limits) schema.Result) {
	limits, turn := c.Limits, turn{of: c.Turns, by: &b.Publisher}
	defer turn.end()
	for i := range b.Len() {
		m := b.Message(i)
		if !b.Pending(i) || m.Value == nil {
			continue
		}
		if err := checkOne(ctx, m, &limits, &turn, of); err != nil {
			b.Settle(i, Rejected(err))
		}
	}
}

// checkOne checks one record, with the steps that those before it have left.
func checkOne(ctx context.Context, m *Message, limits *schema.Limits, turn *turn, of func(*Message, schema.Limits) schema.Result) error {
	if !m.JSON {
		return Invalid("the values of the stream have a schema, and this value is not JSON")
	}
	if err := turn.take(ctx); err != nil {
		return err
	}
	result := of(m, *limits)
	limits.Steps = max(0, limits.Steps-result.Steps)
	turn.steps += 1 + result.Steps
	if len(result.Violations) == 0 {
		return nil
	}
	invalid := &InvalidError{Violations: make([]Violation, len(result.Violations)), More: result.More}
	for i, v := range result.Violations {
		invalid.Violations[i] = Violation(v)
	}
	return invalid
}
