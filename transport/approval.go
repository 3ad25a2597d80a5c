package transport

import (
	"context"

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
func (s *Server) approveReading(ctx context.Context, p *auth.Principal, r reading) (*Asked, *wire.Error) {
	if s.config.Approve == nil {
		return nil, nil
	}
	asked := Asked{
		Action: auth.Subscribe, Stream: r.stream, From: r.startText(), CursorName: r.CursorName, Reset: r.Reset,
		Keys: r.Keys, KeyPrefix: r.KeyPrefix, Filter: r.Filter,
	}
	for _, h := range r.Headers {
		asked.Headers = append(asked.Headers, [2]string{h.Name, h.Value})
	}
	kept := asked // without a principal, which a renewal replaces
	asked.Principal = p
	return &kept, s.approve(ctx, asked)
}

// cursorText stands for any cursor in Asked.From.
const cursorText = "cursor"

// startText returns where reading starts as a client can write it, also if the client has
// left it out: nobody who is asked has to know the defaults. It is empty if a named cursor
// alone decides.
func (r *reading) startText() string {
	if _, ok := r.resumes(); ok {
		return cursorText
	}
	switch from := r.starts(); from.Kind {
	case wire.StartCursor:
		return cursorText
	default:
		return from.String()
	}
}
