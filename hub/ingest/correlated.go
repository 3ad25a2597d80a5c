package ingest

import (
	"context"
	"slices"
	"strings"

	"sluice/hub/record"
)

// Correlated is a step that sets the header by which the reply to a record is found, if
// its publisher expects one. It must come after the steps that hold clients to rules
// about headers.
type Correlated struct {
	// Header is the name of the header.
	Header string
}

// Check implements Step. It does not block.
func (c Correlated) Check(_ context.Context, b *Batch) {
	if b.Correlation == "" {
		return
	}
	for i := range b.Len() {
		if !b.Pending(i) {
			continue
		}
		m := b.Message(i)
		if slices.ContainsFunc(m.Headers, c.is) {
			b.Settle(i, Rejected(Invalid("the header "+c.Header+" is set by the server for a record whose reply is waited for: leave it out")))
			continue
		}
		m.Headers = append(slices.Clone(m.Headers), record.Header{Name: []byte(c.Header), Value: []byte(b.Correlation)})
	}
}

// is reports whether a header has the name, in any letter case.
func (c Correlated) is(h record.Header) bool { return strings.EqualFold(string(h.Name), c.Header) }

// Settled implements Step.
func (Correlated) Settled(*Batch) {}
