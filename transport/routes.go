package transport

import (
	"maps"
	"net/http"
	"time"

	"github.com/rs/cors"

	"sluice/auth"
	"sluice/hub"
	"sluice/hub/event"
	"sluice/transport/wire"
)

// preflightAge is how long a browser may cache a preflight, in seconds.
const preflightAge = 7200

// routes returns the handler of the clients' listener.
func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	routes := map[string]byMethod{
		"/v1/ws":                       {http.MethodGet: s.handleWebSocket},
		"/v1/events":                   {http.MethodGet: s.handleEvents},
		"/v1/principal":                {http.MethodGet: s.handlePrincipal},
		"/v1/streams":                  {http.MethodGet: s.handleStreams},
		"/v1/streams/{stream}":         {http.MethodGet: s.handleStream},
		"/v1/streams/{stream}/events":  {http.MethodGet: s.handleEvents},
		"/v1/streams/{stream}/schema":  {http.MethodGet: s.handleSchema},
		"/v1/streams/{stream}/records": {http.MethodGet: s.handlePage, http.MethodPost: s.handlePublish},
		"/v1/cursors/{stream}/{name}": {
			http.MethodGet: s.handleGetCursor, http.MethodPut: s.handlePutCursor, http.MethodDelete: s.handleDeleteCursor,
		},
		"/kafka/v3/clusters/{cluster}/topics/{topic}/records": {http.MethodPost: s.handleProxyRecords},
		"/topics/{topic}":        {http.MethodPost: s.handleProxyTopic},
		"/v1/tickets":            {http.MethodPost: s.handleTickets},
		"/v1/cookie":             {http.MethodPost: s.handleSetCookie, http.MethodDelete: s.handleClearCookie},
		"/v1/backchannel-logout": {http.MethodPost: s.handleLogout},
		"/openapi.json":          {http.MethodGet: s.handleLater},
		"/asyncapi.json":         {http.MethodGet: s.handleLater},
	}
	maps.Copy(routes, s.routesForAdmins())
	maps.Copy(routes, s.routesForDevelopment())
	index := s.at(byMethod{http.MethodGet: s.handleIndex(indexOf(routes), s.links())})
	for path, methods := range routes {
		mux.HandleFunc(path, s.at(methods))
	}
	mux.HandleFunc("/v1", index)
	mux.HandleFunc("/v1/{$}", index)
	mux.HandleFunc("/", s.handleElsewhere(mux))

	crossSite := http.NewCrossOriginProtection()
	crossSite.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.refuse(w, r, unlisted(r, "send this request"))
	}))
	inner := s.cleaned(mux)
	guarded := crossSite.Handler(inner)
	handler := http.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if origin := r.Header.Values("Origin"); len(origin) == 1 && s.config.Credentials.Origins.Allowed(origin[0]) {
			inner.ServeHTTP(w, r)
			return
		}
		guarded.ServeHTTP(w, r)
	}))
	if !s.config.Credentials.Origins.Empty() {
		handler = cors.New(cors.Options{
			// An exact match: the library's own list accepts wildcards and ignores
			// case.
			AllowOriginFunc: s.config.Credentials.Origins.Allowed,
			AllowedMethods:  []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodDelete},
			AllowedHeaders: []string{
				"Authorization", "DPoP", "Content-Type", "Content-Encoding", "Last-Event-ID", "Idempotency-Key", "Traceparent",
				"Ce-Id", "Ce-Source", "Ce-Type", "Ce-Specversion", "Ce-Subject", "Ce-Time", "Ce-Dataschema", "Ce-Partitionkey",
			},
			ExposedHeaders:       []string{"Retry-After", "RateLimit", "RateLimit-Policy", "WWW-Authenticate", headerCursor, headerCaughtUp},
			AllowCredentials:     true,
			MaxAge:               preflightAge,
			OptionsSuccessStatus: http.StatusNoContent,
		}).Handler(handler)
	}
	return shielded(s.recovered(s.counted(s.notesPages(handler))))
}

// counted counts requests that are not yet answered. It bounds how long a client may
// take to read the answer and to send the body, also of a request whose handler does
// not read the body: the HTTP server itself waits for the rest of the body before it
// answers.
func (s *Server) counted(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.requests.Add(1)
		defer s.requests.Add(-1)
		if r.ContentLength != 0 {
			// A failure is ignored: then there is no connection to wait for.
			_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(s.limits().MessageAssembly))
		}
		r = s.audit.follow(r)
		next.ServeHTTP(s.newAnswer(w, r), r)
	})
}

// recovered keeps a panic in one request from affecting others. It is logged as an
// error, as it is a bug in the server.
func (s *Server) recovered(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			cause := recover()
			if cause == nil || cause == http.ErrAbortHandler { //nolint:errorlint // recovered values are compared as they are
				return
			}
			s.notePanic("a request panicked", cause) // counts the fault
			fault := wire.Errorf(wire.Internal, "internal server error")
			writeProblem(w, fault.Status(), fault)
		}()
		next.ServeHTTP(w, r)
	})
}

// handleLater refuses, by name, paths of the protocol that this server does not
// implement yet.
func (s *Server) handleLater(w http.ResponseWriter, r *http.Request) {
	s.refuse(w, r, wire.Errorf(wire.BadRequest, "%s is not supported by this server yet", r.URL.Path))
}

// streamView describes a stream to a client.
type streamView struct {
	Stream  string        `json:"stream"`
	Content event.Content `json:"content,omitempty"`
	// Schema is the media type of the schema that published values are checked against.
	Schema     string `json:"schema,omitempty"`
	Partitions int32  `json:"partitions,omitempty"`
	// TopicMissing is set while the topic does not exist in Kafka.
	TopicMissing bool `json:"topic_missing,omitempty"`
	Subscribe    bool `json:"subscribe"`
	Publish      bool `json:"publish"`
	// ReplayMS is how far back the principal may read, -1 for as far as there are
	// records.
	ReplayMS int64 `json:"replay_ms"`
	// Filtered is set if the rights leave out records of the stream, and Redacted if they
	// leave out parts of them, or mask these.
	Filtered bool `json:"filtered,omitempty"`
	Redacted bool `json:"redacted,omitempty"`
}

func (s *Server) view(p *auth.Principal, info hub.StreamInfo) streamView {
	v := streamView{
		Stream:     info.Name,
		Content:    info.Content,
		Partitions: info.Partitions,

		TopicMissing: info.Missing,
		Subscribe:    p.May(auth.Subscribe, info.Name),
		Publish:      info.Publishable && p.May(auth.Publish, info.Name),
	}
	if schema, err := s.ingest.Schema(info.Name); err == nil && schema != nil {
		v.Schema = schema.MediaType()
	}
	if v.Subscribe {
		rows, err := s.rows(p, info.Name)
		v.Filtered, v.Redacted = err != nil || hidesRows(rows), err == nil && rows != nil && rows.Redaction != nil
	}
	switch replay := p.Replay(info.Name); {
	case !v.Subscribe:
	case replay == auth.ReplayUnlimited:
		v.ReplayMS = -1
	default:
		v.ReplayMS = int64(max(replay, s.limits().ResumeWindow) / time.Millisecond)
	}
	return v
}

// handleStreams serves GET /v1/streams.
func (s *Server) handleStreams(w http.ResponseWriter, r *http.Request) {
	c := s.identifyPlain(r)
	if c.fault != nil {
		s.refuse(w, r, c.fault)
		return
	}
	views := []streamView{}
	for _, info := range s.config.Hub.StreamsOf(c.principal.Tenant()) {
		if c.principal.Sees(info.Name) {
			views = append(views, s.view(c.principal, info))
		}
	}
	s.writeView(w, r, map[string]any{"streams": views})
}

// handleStream serves GET /v1/streams/{stream}.
func (s *Server) handleStream(w http.ResponseWriter, r *http.Request) {
	c := s.identifyPlain(r)
	name := r.PathValue("stream")
	if c.fault == nil && !c.principal.Sees(name) {
		c.fault = unseen(c.principal)
	}
	if c.fault != nil {
		s.refuse(w, r, c.fault)
		return
	}
	ctx, cancel := s.waitFor(r.Context(), c.principal)
	defer cancel()
	info, err := s.config.Hub.Describe(ctx, c.principal.Tenant(), name)
	if fault := s.outcomeOf(c.principal, err); fault != nil {
		s.refuse(w, r, fault)
		return
	}
	s.writeView(w, r, s.view(c.principal, info))
}
