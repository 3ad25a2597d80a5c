package transport

import (
	"context"
	"strconv"
	"time"

	"sluice/auth"
	"sluice/transport/wire"
)

// approve asks for an approval. There is none to ask for if Config.Approve is nil.
func (s *Server) approve(ctx context.Context, asked Asked) *wire.Error {
	if s.config.Approve == nil {
		return nil
	}
	if err := s.config.Approve(ctx, asked); err != nil {
		return faultOf(err)
	}
	return nil
}

// approvePublish asks whether a principal may publish to a stream.
func (s *Server) approvePublish(ctx context.Context, p *auth.Principal, stream string) *wire.Error {
	ctx, cancel := s.waitFor(ctx, p)
	defer cancel()
	return s.outcome(p, s.approve(ctx, Asked{Principal: p, Action: auth.Publish, Stream: stream}))
}

// approveReading asks whether a principal may read a stream. What was asked is
// returned for the renewals of the session, without the principal; nil if there is
// nothing to ask.
func (s *Server) approveReading(ctx context.Context, p *auth.Principal, stream string, r wire.Reading, known bool) (*Asked, *wire.Error) {
	if s.config.Approve == nil {
		return nil, nil
	}
	asked := Asked{Action: auth.Subscribe, Stream: stream, From: fromText(r.From), Keys: r.Keys, KeyPrefix: r.KeyPrefix, Filter: r.Filter}
	for _, h := range r.Headers {
		asked.Headers = append(asked.Headers, [2]string{h.Name, h.Value})
	}
	if known {
		asked.From = cursorText
	}
	kept := asked // without a principal, which a renewal replaces
	asked.Principal = p
	return &kept, s.approve(ctx, asked)
}

// cursorText stands for any cursor in Asked.From.
const cursorText = "cursor"

// fromText returns a start as a client writes it, empty for none.
func fromText(from wire.From) string {
	switch from.Kind {
	case wire.StartLatest:
		return "latest"
	case wire.StartEarliest:
		return "earliest"
	case wire.StartTime:
		return from.Time.UTC().Format(time.RFC3339Nano)
	case wire.StartAgo:
		return "-" + from.Ago.String()
	case wire.StartLast:
		return "last:" + strconv.Itoa(from.N)
	case wire.StartCursor:
		return cursorText
	case wire.StartUnset:
	}
	return ""
}
