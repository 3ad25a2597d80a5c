package transport

import (
	"context"
	"io"
	"net/http"
	"time"

	"sluice/auth"
	"sluice/hub/ingest"
	"sluice/hub/upstream"
	"sluice/transport/compress"
	"sluice/transport/elements"
	"sluice/transport/wire"
)

// intake publishes the records of a body while it arrives, however long it is, and
// answers each of them in its place. It publishes what has arrived in one group, and
// the next group only when all of the last one are answered: that bounds its memory, makes
// a client wait that sends faster than Kafka stores, and keeps the order. Records that are
// refused for a temporary reason therefore end it, so that none behind them is stored
// before them.
//
// It has the goroutine of its request. All its fields are owned by that.
type intake struct {
	server    *Server
	form      bodyForm
	refuse    func(fault *wire.Error) // answers before the answer has begun
	request   *http.Request
	writer    http.ResponseWriter
	control   *http.ResponseController
	principal *auth.Principal
	address   string
	stream    string

	elements *elements.Reader
	most     int                  // how long an element may be
	inflates *compress.BodyReader // nil if the body is not compressed
	inflated inflatedPace

	faults      int // in the minute
	faultsSince time.Time
	sum         published // for the audit
	out         []byte
}

// bodyForm is what bodies that are read element by element consist of.
type bodyForm interface {
	// mediaType is that of the answers.
	mediaType() string
	splitter() elements.Splitter
	// broken reports whether an element is none, so that it is not known where the next one
	// begins.
	broken(element []byte) bool
	// parse returns the record of an element, and what its answer says about it.
	parse(element []byte, limits wire.Limits) (m ingest.Message, about string, fault *wire.Error)
	// appendStored appends the answer to a record that is stored, and appendFault that to
	// one that is not, duplicate if it is the answer of an earlier publish under the same
	// message id. appendEnd appends why the body is read no further.
	appendStored(dst []byte, about string, stored upstream.Stored) []byte
	appendFault(dst []byte, fault *wire.Error, duplicate bool) []byte
	appendEnd(dst []byte, fault *wire.Error) []byte
}

// element is one element of a group: a record that is published, or a fault.
type element struct {
	message ingest.Message
	about   string
	fault   *wire.Error
}

// errBodyEnds is the cause of the fault that stands for the end of a body.
var errBodyEnds = &wire.Error{Cause: io.EOF}

// inflatedPace bounds how much of a body is inflated in a second.
type inflatedPace struct {
	bytes int
	since time.Time
}

// wait counts more bytes, and waits once they exceed what may be inflated in a second. It
// reports false if the context ends first.
func (p *inflatedPace) wait(ctx context.Context, most, more int) bool {
	now := time.Now()
	if now.Sub(p.since) >= time.Second {
		p.bytes, p.since = 0, now
	}
	if p.bytes += more; most <= 0 || p.bytes <= most {
		return true
	}
	timer := time.NewTimer(time.Second - now.Sub(p.since))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// withoutIdempotencyKey returns a fault for a request whose records have no use for the header:
// without the id that a client believes to have sent, it could store them twice.
func withoutIdempotencyKey(h http.Header) *wire.Error {
	if len(h.Values("Idempotency-Key")) == 0 {
		return nil
	}
	return wire.Errorf(wire.BadRequest, "the header Idempotency-Key is for a body of one record of this protocol: "+
		"leave it out, and send a message_id with each record to /v1/streams/{stream}/records")
}
