package transport

import (
	"bytes"
	"mime"
	"net/http"
	"strconv"

	"sluice/auth"
	"sluice/hub/filter"
	"sluice/hub/ingest"
	"sluice/hub/upstream"
	"sluice/transport/elements"
	"sluice/transport/wire"
	"sluice/transport/wire/restproxy"
)

// Producers that speak to a REST proxy for Kafka name a topic where others name a stream.
// What they name is a stream that they may publish to, by its own name or that of its topic:
// a name never leads to a topic that is not configured, and a topic without a stream of the
// client is answered like one that does not exist.

// streamOf returns the stream of a principal that a topic in a path names.
func (s *Server) streamOf(p *auth.Principal, topic string) string {
	named := s.config.Hub.Has(p.Tenant(), topic) && p.Sees(topic)
	if named && p.May(auth.Publish, topic) {
		return topic
	}
	seen := topic
	for _, name := range s.config.Hub.NamesOf(p.Tenant(), topic) {
		switch {
		case p.May(auth.Publish, name):
			return name
		case p.Sees(name) && !named:
			seen = name
		}
	}
	return seen
}

// proxied is a request of a producer that speaks to a REST proxy.
type proxied struct {
	server    *Server
	writer    http.ResponseWriter
	request   *http.Request
	client    *client
	mediaType string // of the answers
	stream    string
	allowed   filter.Filter
}

// proxy finds the stream of a request, and the right to it. It reports false if the request
// is answered with a fault.
func (s *Server) proxy(w http.ResponseWriter, r *http.Request, c *client, mediaType string, streamed bool) (p *proxied, ok bool) {
	p = &proxied{server: s, writer: w, request: r, client: c, mediaType: mediaType}
	s.require(c)
	if c.fault == nil {
		p.stream = s.streamOf(c.principal, r.PathValue("topic"))
		r.SetPathValue("stream", p.stream)
		p.allowed, c.fault = s.mayPublish(c.principal, p.stream)
	}
	if c.fault == nil && !streamed {
		c.fault = s.approvePublish(r.Context(), c.principal, p.stream) // else for each group of records
	}
	if c.fault == nil {
		_, c.fault = wire.ParsePlainQuery(r.URL.RawQuery, false)
	}
	if c.fault == nil {
		c.fault = withoutIdempotencyKey(r.Header)
	}
	if c.fault != nil {
		p.refuse(c.fault)
		return nil, false
	}
	return p, true
}

// refuse answers with a fault.
func (p *proxied) refuse(fault *wire.Error) {
	p.server.challenge(p.writer, p.request, fault)
	body := restproxy.AppendFault3
	if p.mediaType == restproxy.MediaType2 {
		body = restproxy.AppendFault2
	}
	writeFault(p.writer, fault.Status(), fault, p.mediaType, body(nil, fault))
}

// publish stores records. It reports false if the request is answered with a fault.
func (p *proxied) publish(messages []ingest.Message) (results []upstream.Stored, ok bool) {
	var fault *wire.Error
	if p.client.principal, p.allowed, fault = p.server.stillMayPublish(p.client.principal, p.stream, p.allowed); fault != nil {
		p.refuse(fault)
		return nil, false
	}
	stored := make(chan []upstream.Stored, 1)
	from := origin{address: p.client.address, traceParent: p.request.Header.Get("Traceparent")}
	by := publisher(p.client.principal, p.stream, from, p.allowed)
	p.server.publish(p.client.principal, by, p.stream, messages, func(results []upstream.Stored) { stored <- results })
	results = <-stored // publish bounds the time
	p.server.audit.posted(p.request, p.stream, results)
	p.server.tellQuotas(p.writer.Header(), p.stream, &by)
	if why := noneSent(results); why != nil {
		p.refuse(faultOf(why))
		return nil, false
	}
	return results, true
}

// answer answers with a body.
func (p *proxied) answer(body []byte) {
	h := p.writer.Header()
	h.Set("Content-Type", p.mediaType)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	p.writer.WriteHeader(http.StatusOK)
	_, _ = p.writer.Write(body)
}

// agrees returns a fault if a schema is declared that the stream does not have.
func (s *Server) agrees(stream string, declared restproxy.Declared) *wire.Error {
	if !declared.Given() {
		return nil
	}
	of, err := s.ingest.Schema(stream)
	switch {
	case err != nil:
		return s.publishFault(err)
	case of == nil:
		return declared.Check("", 0, nil)
	}
	id := uint32(0)
	if registered, ok := of.(ingest.Registered); ok {
		id = registered.ID()
	}
	return declared.Check(of.MediaType(), id, of.Text())
}

// handleProxyTopic serves POST /topics/{topic}, version 2 of the interface.
func (s *Server) handleProxyTopic(w http.ResponseWriter, r *http.Request) {
	p, ok := s.proxy(w, r, s.identify(r), restproxy.MediaType2, false)
	if !ok {
		return
	}
	declared, typed := restproxy.Typed(r.Header.Get("Content-Type"))
	isJSON, fault := true, (*wire.Error)(nil)
	if !typed {
		isJSON, fault = restproxy.Embedded(r.Header.Get("Content-Type"))
	}
	var body []byte
	if fault == nil {
		body, fault = s.readInflated(w, r, p.client.principal)
	}
	var messages []ingest.Message
	switch {
	case fault != nil:
	case typed:
		if messages, fault = restproxy.ParseTyped2(body, s.wireLimits(), &declared); fault == nil {
			fault = s.agrees(p.stream, declared)
		}
	default:
		messages, fault = restproxy.Parse2(body, isJSON, s.wireLimits())
	}
	if fault != nil {
		p.refuse(fault)
		return
	}
	if results, ok := p.publish(messages); ok {
		p.answer(restproxy.AppendOffsets(nil, results, s.publishFault))
	}
}

// handleProxyRecords serves POST /kafka/v3/clusters/{cluster}/topics/{topic}/records,
// version 3 of the interface: one record, or several behind each other, in a body of a known
// length, and in chunks any number while they are answered.
func (s *Server) handleProxyRecords(w http.ResponseWriter, r *http.Request) {
	streamed := r.ContentLength < 0
	enter := s.identify
	if streamed {
		enter = s.admit
	}
	c := enter(r)
	defer c.leave()
	p, ok := s.proxy(w, r, c, restproxy.MediaType3, streamed)
	if !ok {
		return
	}
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != restproxy.MediaType3 {
		p.refuse(&wire.Error{Code: wire.BadRequest, HTTPStatus: http.StatusUnsupportedMediaType, Message: "the content type must be " + restproxy.MediaType3})
		return
	}
	form := proxiedRecords{cluster: r.PathValue("cluster"), topic: r.PathValue("topic")}
	form.agrees = func(declared restproxy.Declared) *wire.Error { return s.agrees(p.stream, declared) }
	if streamed {
		s.serveIntake(w, r, c, p.stream, form, p.refuse)
		return
	}
	body, fault := s.readInflated(w, r, c.principal)
	if fault != nil {
		p.refuse(fault)
		return
	}
	p.reports(form, body)
}

// reports publishes the records of a whole body and answers with a delivery report for each.
func (p *proxied) reports(form proxiedRecords, body []byte) {
	limits := p.server.wireLimits()
	var group []element
	var messages []ingest.Message
	for split := form.splitter(); len(bytes.TrimSpace(body)) > 0; {
		n := split.Scan(body)
		if n < 0 {
			n = len(body)
		}
		if limits.Records > 0 && len(group) >= limits.Records {
			p.refuse(wire.Errorf(wire.TooLarge, "the body has more than %d records (limit batch_records): send it in chunks, or several", limits.Records))
			return
		}
		var e element
		if e.message, e.about, e.fault = form.parse(body[:n], limits); e.fault == nil {
			messages = append(messages, e.message)
		}
		group, body = append(group, e), body[n:]
	}
	if len(group) == 0 {
		p.refuse(&wire.Error{Code: wire.BadRequest, HTTPStatus: http.StatusUnprocessableEntity, Message: "the body has no record"})
		return
	}
	var results []upstream.Stored
	if len(messages) > 0 {
		var ok bool
		if results, ok = p.publish(messages); !ok {
			return
		}
	}
	var out []byte
	for i := range group {
		e := &group[i]
		switch {
		case e.fault != nil:
			p.server.noteFault(e.fault, p.client.address)
			out = form.appendFault(out, e.fault, false)
			continue
		case results[0].Err != nil:
			out = form.appendFault(out, p.server.publishFault(results[0].Err), false)
		default:
			out = form.appendStored(out, e.about, results[0])
		}
		results = results[1:]
	}
	p.answer(out)
}

// proxiedRecords is the form of bodies of version 3: JSON objects that follow each other.
type proxiedRecords struct {
	cluster, topic string
	// agrees returns a fault if a schema is declared that the stream does not have.
	agrees func(restproxy.Declared) *wire.Error
}

func (proxiedRecords) mediaType() string { return restproxy.MediaType3 }

func (proxiedRecords) splitter() elements.Splitter { return &elements.Objects{} }

func (proxiedRecords) broken(element []byte) bool {
	element = bytes.TrimSpace(element)
	return len(element) > 0 && element[0] != '{'
}

func (f proxiedRecords) parse(element []byte, limits wire.Limits) (m ingest.Message, about string, fault *wire.Error) {
	m, about, declared, fault := restproxy.Parse3(element, limits)
	if fault == nil {
		fault = f.agrees(declared)
	}
	return m, about, fault
}

func (f proxiedRecords) appendStored(dst []byte, about string, stored upstream.Stored) []byte {
	return append(restproxy.AppendReport(dst, f.cluster, f.topic, about, stored), '\n')
}

func (proxiedRecords) appendFault(dst []byte, fault *wire.Error, _ bool) []byte {
	return append(restproxy.AppendFault3(dst, fault), '\n')
}

func (f proxiedRecords) appendEnd(dst []byte, fault *wire.Error) []byte {
	return f.appendFault(dst, fault, false)
}
