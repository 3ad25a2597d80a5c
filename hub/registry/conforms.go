package registry

import (
	"context"

	"sluice/hub/ingest"
	"sluice/hub/schema"
)

// Conforms is a step that refuses values that do not match the schema of a subject, as
// ingest.Conforms does with one that does not change. All records of a request are checked
// against the same version.
type Conforms struct {
	Subject *Subject
	// Framed has values stored after the id of the schema.
	Framed bool
	// Limits and Turns are those of ingest.Conforms.
	Limits schema.Limits
	Turns  chan struct{}
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
	ingest.Conforms{Schema: now.schema, Limits: c.Limits, Turns: c.Turns}.Check(ctx, b)
	if !c.Framed {
		return
	}
	for i := range b.Len() {
		if m := b.Message(i); b.Pending(i) && m.Value != nil {
			m.Encoded = Frame(now.id, m.Value)
		}
	}
}

// Settled implements ingest.Step.
func (Conforms) Settled(*ingest.Batch) {}

// ReadOnly is the step of a stream whose values are not encoded here. It refuses all records.
type ReadOnly struct{}

// Check implements ingest.Step.
func (ReadOnly) Check(_ context.Context, b *ingest.Batch) {
	for i := range b.Len() {
		b.Settle(i, ingest.Rejected(ingest.Invalid("clients cannot publish to the stream: its values are stored in Avro")))
	}
}

// Settled implements ingest.Step.
func (ReadOnly) Settled(*ingest.Batch) {}
