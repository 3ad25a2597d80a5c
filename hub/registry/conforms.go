package registry

import (
	"context"

	"sluice/hub/ingest"
	"sluice/hub/schema"
)

// Conforms is a step that refuses values that do not match the schema of a subject, as
// ingest.Conforms and ingest.Encodes do with one that does not change. All records of a
// request are checked against the same version.
type Conforms struct {
	Subject *Subject
	// Framed has values stored after the id of the schema.
	Framed bool
	// Limits and Turns are those of ingest.Conforms.
	Limits schema.Limits
	Turns  *ingest.Turns
}

// Check implements ingest.Step. It does not wait for the registry: while there is no schema,
// values are refused with ingest.ErrSchemaUnavailable.
func (c Conforms) Check(ctx context.Context, b *ingest.Batch) {
	now := c.Subject.current.Load()
	if now == nil {
		for i := range b.Len() {
			if b.Message(i).Value == nil {
				continue // nothing to check
			}
			b.Settle(i, ingest.Rejected(ingest.ErrSchemaUnavailable))
		}
		return
	}
	if c.Framed {
		ingest.Encodes{Schema: framing{now}, Limits: c.Limits, Turns: c.Turns}.Check(ctx, b)
		return
	}
	ingest.Conforms{Schema: checking{now.schema}, Limits: c.Limits, Turns: c.Turns}.Check(ctx, b)
}

// Settled implements ingest.Step.
func (Conforms) Settled(*ingest.Batch) {}

// framing encodes values after the id of their schema.
type framing struct{ *version }

// Encode implements ingest.Encoder.
func (f framing) Encode(dst, value []byte, limits schema.Limits) ([]byte, schema.Result) {
	if dst == nil {
		dst = make([]byte, 0, frameSize+len(value))
	}
	return f.schema.Encode(AppendFrame(dst, f.id), value, limits)
}

// checking checks values that are stored as they are.
type checking struct{ Encoder }

// Validate implements ingest.Validator.
func (c checking) Validate(value []byte, limits schema.Limits) schema.Result {
	_, result := c.Encode(nil, value, limits)
	return result
}

// ReadOnly is the step of a stream to which nobody may publish. It refuses all records.
type ReadOnly struct{}

// Check implements ingest.Step.
func (ReadOnly) Check(_ context.Context, b *ingest.Batch) {
	for i := range b.Len() {
		b.Settle(i, ingest.Rejected(ingest.ErrSchemaUnavailable))
	}
}

// Settled implements ingest.Step.
func (ReadOnly) Settled(*ingest.Batch) {}
