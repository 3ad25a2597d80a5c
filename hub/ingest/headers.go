package ingest

import (
	"context"
	"fmt"
	"strings"
)

// ReservedHeaderPrefix is the prefix, in any letter case, of header names that
// are reserved for the server.
const ReservedHeaderPrefix = "sluice-"

// HeaderMessageID is the name of the header that marks a record that was published with a
// message id. Its value is random: it tells neither the id nor the principal.
const HeaderMessageID = ReservedHeaderPrefix + "message-id"

// ReservedHeader reports whether clients must not use a header name.
func ReservedHeader(name string) bool {
	n := len(ReservedHeaderPrefix)
	return len(name) >= n && strings.EqualFold(name[:n], ReservedHeaderPrefix)
}

// ReservedHeaders is a step that refuses records with a reserved header, with
// ErrReservedHeader. Transports that can report where in a request the header is
// refuse it earlier; this step covers all of them.
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
