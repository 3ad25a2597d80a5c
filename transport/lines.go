package transport

import (
	"mime"
	"net/http"

	"sluice/hub/ingest"
	"sluice/hub/upstream"
	"sluice/transport/elements"
	"sluice/transport/wire"
)

// isLines reports whether the body of a request is NDJSON.
func isLines(h http.Header) bool {
	mediaType, _, err := mime.ParseMediaType(h.Get("Content-Type"))
	return err == nil && mediaType == wire.LinesType
}

// handlePublishLines publishes the lines of a body, each a record, and answers each with a
// line.
func (s *Server) handlePublishLines(w http.ResponseWriter, r *http.Request) {
	c := s.admit(r)
	defer c.leave()
	s.require(c)
	stream := r.PathValue("stream")
	if c.fault == nil {
		_, c.fault = s.mayPublish(c.principal, stream)
	}
	if c.fault == nil {
		_, c.fault = wire.ParsePlainQuery(r.URL.RawQuery, false)
	}
	if c.fault == nil {
		c.fault = withoutIdempotencyKey(r.Header)
	}
	if c.fault != nil {
		s.refuse(w, r, c.fault)
		return
	}
	s.serveIntake(w, r, c, stream, recordLines{}, func(fault *wire.Error) { s.refuse(w, r, fault) })
}

// recordLines is the form of NDJSON.
type recordLines struct{}

func (recordLines) mediaType() string { return wire.LinesType }

func (recordLines) splitter() elements.Splitter { return elements.Lines{} }

func (recordLines) broken([]byte) bool { return false }

func (recordLines) parse(line []byte, limits wire.Limits) (m ingest.Message, about string, fault *wire.Error) {
	m, fault = wire.ParseRecord(line, limits)
	return m, "", fault
}

func (recordLines) appendStored(dst []byte, _ string, stored upstream.Stored) []byte {
	m := wire.Published{Partition: stored.Partition, Offset: stored.Offset, Timestamp: stored.Timestamp, Duplicate: stored.Duplicate}
	return append(m.AppendBody(dst), '\n')
}

func (recordLines) appendFault(dst []byte, fault *wire.Error, duplicate bool) []byte {
	if fault.Code == wire.DeadLettered {
		return append((&wire.DeadLetter{Why: fault, Duplicate: duplicate}).AppendBody(dst), '\n')
	}
	return append(fault.AppendBody(dst), '\n')
}

func (recordLines) appendEnd(dst []byte, fault *wire.Error) []byte {
	return append(fault.AppendClosing(dst), '\n')
}
