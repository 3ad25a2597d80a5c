package transport

import (
	"sluice/auth"
	"sluice/hub"
	"sluice/hub/cursors"
	"sluice/hub/filter"
	"sluice/hub/record"
	"sluice/transport/wire"
)

// reading is what a client asks to read of one stream.
type reading struct {
	wire.Reading
	id     string
	stream string
	auto   bool // pongs ack
	// known is the position that the client itself sends. It takes precedence over
	// everything else.
	known *record.Cursor
	// unset is the start if the client names none, hub.StartLast; the zero value is the
	// tip.
	unset hub.Start
	// only leaves out records beyond what the client asks for.
	only filter.Filter
	// look loads the named cursor without taking it.
	look bool
	// afterStored begins after what this instance has stored is read back.
	afterStored bool
}

// name is the named cursor of a reading.
func (r *reading) name(p *auth.Principal) cursors.Key {
	return cursors.Key{Principal: p.Key(), Stream: r.stream, Name: r.CursorName}
}

// resumes returns the position that the client itself sends, if it has the stream.
func (r *reading) resumes() (record.StreamPosition, bool) {
	if r.known == nil {
		return record.StreamPosition{}, false
	}
	return r.known.Stream(r.stream)
}

// starts returns the start if the client sends no position itself and none is stored
// under the name: unset if the request is refused then.
func (r *reading) starts() wire.From {
	switch {
	case r.From.Kind != wire.StartUnset, r.CursorName != "" && !r.Reset:
		return r.From
	case r.unset.Kind == hub.StartLast:
		return wire.From{Kind: wire.StartLast, N: r.unset.Last}
	}
	return wire.From{Kind: wire.StartLatest}
}
