package ingest

import (
	"context"
	"fmt"

	"sluice/hub/schema"
	"sluice/hub/upstream"
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

// Validator checks values. A schema.JSON is one.
type Validator interface {
	// Validate returns what is wrong with a value, and whether there is more of it than
	// the limits allow. It does not block.
	Validate(value []byte, limits schema.Limits) (violations []schema.Violation, more bool)
}

// Conforms is a step that refuses values that do not match the schema of the stream.
// Tombstones have no value. It comes after all steps that find out whether a value is JSON.
type Conforms struct {
	Schema Validator
	Limits schema.Limits
	// Turns has room for as many values as may be checked at the same time, by all steps
	// that share it, so that their memory is bounded.
	Turns chan struct{}
}

// Check implements Step. It blocks until it is its turn: while as many values of other
// clients are checked, each of which takes a bounded time.
func (c Conforms) Check(ctx context.Context, b *Batch) {
	for i := range b.Len() {
		m := b.Message(i)
		if !b.Pending(i) || m.Value == nil {
			continue
		}
		if err := c.check(ctx, m); err != nil {
			b.Settle(i, Rejected(err))
		}
	}
}

// Settled implements Step.
func (Conforms) Settled(*Batch) {}

func (c Conforms) check(ctx context.Context, m *Message) error {
	if !m.JSON {
		return Invalid("the values of the stream have a schema, and this value is not JSON")
	}
	select {
	case c.Turns <- struct{}{}:
		defer func() { <-c.Turns }()
	case <-ctx.Done():
		return fmt.Errorf("wait to check the value: %w", upstream.ErrPublishUnavailable)
	}
	violations, more := c.Schema.Validate(m.Value, c.Limits)
	if len(violations) == 0 {
		return nil
	}
	invalid := &InvalidError{Violations: make([]Violation, len(violations)), More: more}
	for i, v := range violations {
		invalid.Violations[i] = Violation(v)
	}
	return invalid
}
