package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"sluice/transport/compress"
	"sluice/transport/elements"
	"sluice/transport/wire"
)

// read reads more of the body, once, and returns why there is none. A client may be quiet
// between two elements, but not within one.
func (in *intake) read(ctx context.Context) *wire.Error {
	s := in.server
	wait := s.config.IdleTimeout
	if in.elements.Buffered() > 0 {
		wait = s.limits().MessageAssembly
	}
	_ = in.control.SetReadDeadline(time.Now().Add(wait))
	// Asked for after the deadline is set, so that the one that ends the wait counts.
	if fault := in.ended(ctx); fault != nil {
		return fault
	}
	before := in.elements.Buffered()
	err := in.elements.Fill()
	if in.inflates != nil && !in.inflated.wait(ctx, s.limits().InflatedPerSecond, in.elements.Buffered()-before) {
		return in.ended(ctx)
	}
	if err == nil {
		return nil
	}
	if fault := in.over(); fault != nil {
		return fault
	}
	if fault, ok := errors.AsType[*wire.Error](err); ok {
		return fault
	}
	sent := err
	if in.inflates != nil {
		sent = in.inflates.Sent()
	}
	switch {
	case errors.Is(err, io.EOF):
		return errBodyEnds
	case errors.Is(err, elements.ErrTooLong):
		return in.tooLong()
	case errors.Is(err, os.ErrDeadlineExceeded) && in.elements.Buffered() > 0:
		return wire.Errorf(wire.BadRequest, "the record took longer than %s to arrive", wait)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return wire.Errorf(wire.BadRequest, "nothing was sent for %s: send what follows with another request", wait)
	case errors.Is(err, compress.ErrRatio):
		return wire.Errorf(wire.TooLarge, "the body inflates to too many times its size (limit inflate_ratio)")
	case in.inflates != nil && sent == nil:
		return &wire.Error{Code: wire.BadRequest, Message: "the body is not compressed as its content encoding says, or ends early", Cause: err}
	}
	return &wire.Error{Code: wire.BadRequest, Message: "the body ends early", Cause: fmt.Errorf("%w: %w", errClientLeft, err)}
}

func (in *intake) tooLong() *wire.Error {
	return wire.Errorf(wire.TooLarge, "a record is larger than %d bytes (limit message_bytes)", in.most)
}

// ended returns why nothing more may be read: the credential has ended, the server drains,
// or the client has left.
func (in *intake) ended(ctx context.Context) *wire.Error {
	if fault := in.over(); fault != nil {
		return fault
	}
	if cause := context.Cause(ctx); ends(cause) {
		return faultOf(cause)
	} else if cause != nil {
		return &wire.Error{Code: wire.BadRequest, Message: "the client has left", Cause: fmt.Errorf("%w: %w", errClientLeft, cause)}
	}
	return nil
}

// over is ended for a request whose context says nothing, because the deadline of a read has
// ended it.
func (in *intake) over() *wire.Error {
	s := in.server
	if fault := s.ended(in.principal); fault != nil {
		return fault
	}
	select {
	case <-s.drained:
		fault := wire.Errorf(wire.Draining, "this instance is shutting down: send the rest to another one")
		fault.RetryAfter = s.comeBack()
		return fault
	default:
		return nil
	}
}
