package transport

import (
	"net/http"
	"strconv"

	"sluice/transport/wire"
)

// handleSchema serves GET /v1/streams/{stream}/schema: the schema that published values
// are checked against, as it was written, to everybody who sees the stream.
func (s *Server) handleSchema(w http.ResponseWriter, r *http.Request) {
	c := s.identifyPlain(r)
	name := r.PathValue("stream")
	if c.fault == nil && !c.principal.Sees(name) {
		c.fault = unseen(c.principal)
	}
	if c.fault == nil {
		// A stream that only the tenants have is unknown to those without a tenant.
		_, err := s.config.Hub.Stream(c.principal.Tenant(), name)
		c.fault = s.outcomeOf(c.principal, err)
	}
	if c.fault != nil {
		s.refuse(w, r, c.fault)
		return
	}
	schema, err := s.ingest.Schema(name)
	switch {
	case err != nil:
		s.refuse(w, r, faultOf(errNoSchemaYet))
		return
	case schema == nil:
		s.refuse(w, r, wire.Errorf(wire.NoSchema, "the stream has no schema: its values only have to be what its content says"))
		return
	}
	h, tag := w.Header(), `"`+schema.Tag()+`"`
	h.Set("Cache-Control", "private, no-cache") // the right to the stream may be withdrawn
	h.Set("ETag", tag)
	if hasTag(r.Header, tag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	text := schema.Text()
	h.Set("Content-Type", schema.MediaType())
	h.Set("Content-Length", strconv.Itoa(len(text)))
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(text)
}
