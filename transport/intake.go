package transport

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"sluice/transport/compress"
	"sluice/transport/elements"
	"sluice/transport/wire"
)

// serveIntake publishes the records of a body in a form to a stream. The client has the
// right to publish to it. refuse answers with what is known to be wrong before the first record.
func (s *Server) serveIntake(w http.ResponseWriter, r *http.Request, c *client, stream string, form bodyForm, refuse func(*wire.Error)) {
	coding, fault := bodyCoding(w, r)
	if _, twice := onceIn(r.Header, "Content-Type"); fault == nil {
		fault = twice
	}
	if fault != nil {
		refuse(fault)
		return
	}
	most := s.bodyLimit()
	in := &intake{
		server: s, form: form, refuse: refuse, request: r, writer: w, control: http.NewResponseController(w),
		principal: c.principal, address: c.address, stream: stream, most: most,
	}
	var body io.Reader = r.Body
	if coding != "" {
		in.inflates = compress.NewBodyReader(coding, r.Body, compress.BodyLimits{
			Free: most, Ratio: s.limits().InflateRatio, Reserve: func(bytes int) (func(), error) {
				release, fault := s.windows.reserve(c.principal, bytes)
				if fault != nil {
					return nil, fault
				}
				return release, nil
			},
		})
		defer in.inflates.Close()
		body = in.inflates
	}
	in.elements = elements.New(body, form.splitter(), most)
	s.intakes.Add(1)
	defer s.intakes.Add(-1)
	ctx, forget := s.valid(r.Context(), c.principal)
	defer forget()
	in.run(ctx)
}

// run reads, publishes and answers until the body ends, or something else ends it.
func (in *intake) run(ctx context.Context) {
	// Without it, the HTTP/1.1 server would read the rest of the body before the first
	// answer. Under HTTP/2 nothing is needed.
	_ = in.control.EnableFullDuplex()
	defer in.wakeReader(ctx)()
	endsBy(in.writer, in.principal) // what became of its records the client is told in any case
	if in.request.Header.Get("Expect") != "" {
		// The first read makes the server send 100 Continue, for which it is too late
		// once the answer has begun.
		if fault := in.read(ctx); fault != nil && !errors.Is(fault, io.EOF) {
			in.refuse(in.server.outcome(in.principal, fault))
			return
		}
	}
	head := in.writer.Header()
	head.Set("Content-Type", in.form.mediaType())
	head.Set("Cache-Control", "no-store")
	head.Set("X-Accel-Buffering", "no")
	in.writer.WriteHeader(http.StatusOK)
	fault := in.flush()
	for fault == nil {
		fault = in.group(ctx)
	}
	in.server.audit.streamed(in.request, in.stream, in.sum)
	if errors.Is(fault, io.EOF) {
		return
	}
	if !errors.Is(fault, errClientLeft) {
		in.server.noteFault(fault, in.address)
		in.server.audit.refused(in.request, fault)
	}
	in.out = in.form.appendEnd(in.out[:0], fault)
	_ = in.flush()
	// The client may still be sending: the server reads on for a while before it closes
	// the connection, which would reset it.
	_ = in.control.SetReadDeadline(time.Now().Add(in.server.limits().MessageAssembly))
}

// wakeReader ends a read that waits when the credential ends, or the server drains. The
// caller defers what it returns.
func (in *intake) wakeReader(ctx context.Context) (stop func()) {
	done := make(chan struct{})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		select {
		case <-ctx.Done():
		case <-in.server.drained:
		case <-done:
			return
		}
		_ = in.control.SetReadDeadline(time.Now())
	}()
	return func() { close(done); <-ended }
}

// group publishes and answers the elements that can be had at once, at least one. The
// fault is errBodyEnds at the end of the body.
func (in *intake) group(ctx context.Context) *wire.Error {
	group, ends := in.gather(ctx)
	if len(group) == 0 {
		return ends
	}
	if fault := in.publish(ctx, group); fault != nil {
		return fault
	}
	return ends
}

// gather waits for an element, and returns it with those behind it that have arrived
// already. It also returns why there will be no more.
func (in *intake) gather(ctx context.Context) (group []element, ends *wire.Error) {
	limits := in.server.wireLimits()
	var texts [][]byte
	size := 0
	for {
		text, ok := in.elements.Next()
		switch {
		case ok:
		case len(texts) > 0:
			return in.parse(texts, limits), nil
		default:
			if ends = in.read(ctx); ends == nil {
				continue
			}
			if text, ok = in.elements.Last(); !errors.Is(ends, io.EOF) || len(bytes.TrimSpace(text)) == 0 {
				return nil, ends
			}
			if !ok {
				return nil, wire.Errorf(wire.BadRequest, "the body ends within a record")
			}
		}
		switch {
		case len(text) > in.most:
			return in.parse(texts, limits), in.tooLong()
		case in.form.broken(text):
			return in.parse(texts, limits), wire.Errorf(wire.BadRequest, "what follows is no record: the body is read no further")
		}
		texts = append(texts, text)
		size += len(text)
		if ends != nil || size >= elements.ReadBytes || limits.Records > 0 && len(texts) >= limits.Records {
			return in.parse(texts, limits), ends
		}
	}
}

// parse parses the elements of a group in a copy of their own: the records keep their
// bytes, even if it is never known what has become of them.
func (in *intake) parse(texts [][]byte, limits wire.Limits) []element {
	own := bytes.Join(texts, nil)
	group := make([]element, len(texts))
	for i := range texts {
		text := own[:len(texts[i]):len(texts[i])]
		own = own[len(texts[i]):]
		group[i].message, group[i].about, group[i].fault = in.form.parse(text, limits)
	}
	return group
}
