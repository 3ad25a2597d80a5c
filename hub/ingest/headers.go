package ingest

import (
	"context"
	"fmt"
	"strings"
)

// ReservedHeaderPrefix begins, in any letter case, the names of headers that the
// server keeps for itself.
const ReservedHeaderPrefix = "sluice-"

// ReservedHeader reports whether a header's name is one that clients cannot use.
func ReservedHeader(name string) bool {
	n := len(ReservedHeaderPrefix)
	return len(name) >= n && strings.EqualFold(name[:n], ReservedHeaderPrefix)
}

// ReservedHeaders is the step that refuses records with a reserved header, with
// ErrReservedHeader. Doors that can say where in a request it stands refuse it
// before; this holds for all of them.
type ReservedHeaders struct{}

// Check implements Step. It does not block.
func (ReservedHeaders) Check(_ context.Context, b *Batch) {
	for i := range b.Len() {
		if !b.Pending(i) {
			continue
		}
		for _, h := range b.Message(i).Headers {
			if ReservedHeader(string(h.Name)) {
				b.Settle(i, Rejected(fmt.Errorf("header %q: %w", h.Name, ErrReservedHeader)))
				break
			}
		}
	}
}

// Settled implements Step.
func (ReservedHeaders) Settled(*Batch) {}
