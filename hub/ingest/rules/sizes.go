package rules

import (
	"context"
	"fmt"

	"sluice/hub/ingest"
)

// Sizes is a step that bounds the parts of a record. 0 is no bound.
type Sizes struct {
	// Key, Value and HeaderBytes are in bytes; HeaderBytes counts the names and values of
	// all headers of a record together.
	Key, Value, HeaderBytes int
	// Headers is how many headers a record may have.
	Headers int
}

// Check implements ingest.Step.
func (s Sizes) Check(_ context.Context, b *ingest.Batch) {
	for i := range b.Len() {
		if !b.Pending(i) {
			continue
		}
		if reason := s.refuses(b.Message(i)); reason != "" {
			b.Settle(i, ingest.Rejected(ingest.Invalid(reason)))
		}
	}
}

// Settled implements ingest.Step.
func (Sizes) Settled(*ingest.Batch) {}

func (s Sizes) refuses(m *ingest.Message) string {
	bytes := 0
	for _, h := range m.Headers {
		bytes += len(h.Name) + len(h.Value)
	}
	for _, part := range []struct {
		has, most int
		what      string
	}{
		{len(m.Key), s.Key, "the key has %d bytes, and the stream allows %d"},
		{len(m.Value), s.Value, "the value has %d bytes, and the stream allows %d"},
		{len(m.Headers), s.Headers, "the record has %d headers, and the stream allows %d"},
		{bytes, s.HeaderBytes, "the headers have %d bytes, and the stream allows %d"},
	} {
		if part.most > 0 && part.has > part.most {
			return fmt.Sprintf(part.what, part.has, part.most)
		}
	}
	return ""
}
