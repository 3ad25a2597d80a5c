package transport

import (
	"net/http"
	"slices"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"sluice/auth"
	"sluice/transport/wire"
)

// operatorRoute is a route of operators, which both listeners have.
type operatorRoute struct {
	method, path string // below adminPrefix, or at the root of the admin listener
	handle       func(http.ResponseWriter, *http.Request, operator)
	// whole is set if the route concerns the instance as a whole, which no tenant may see
	// or touch.
	whole bool
	// named is set if an answer names principals, which no page may read from the admin
	// listener. An act is not for pages there either.
	named bool
	// elsewhere is set if the admin listener has the route at another path, or its own.
	elsewhere bool
	// acts is set if the route changes something.
	acts  bool
	about string // for indexes
}

func (s *Server) operatorRoutes() []operatorRoute {
	return []operatorRoute{
		{method: http.MethodGet, path: "/instance", handle: s.handleInstance, whole: true, about: "the instance"},
		{method: http.MethodGet, path: "/metrics", handle: s.handleMetrics, whole: true, elsewhere: true, about: "metrics for Prometheus"},
		{method: http.MethodGet, path: "/streams", handle: s.handleAdminStreams, elsewhere: true, about: "the streams, and how they are read"},
		{method: http.MethodGet, path: "/sessions", handle: s.handleSessions, named: true, about: "the open sessions of this instance"},
		{method: http.MethodDelete, path: "/sessions/{session}", handle: s.handleKick, acts: true, about: "end a session, for good"},
		{method: http.MethodPost, path: "/sessions/{session}/drain", handle: s.handleDrainOne, acts: true, about: "ask the client of a session to reconnect"},
		{method: http.MethodPost, path: "/drain", handle: s.handleDrainAll, whole: true, acts: true, about: "ask the clients of all sessions of this instance to reconnect"},
		{method: http.MethodGet, path: "/cursors", handle: s.handleCursors, named: true, about: "the named cursors"},
		{method: http.MethodPut, path: "/cursors/{stream}/{name}", handle: s.handleMoveCursor, acts: true, about: "move a named cursor"},
		{method: http.MethodDelete, path: "/cursors/{stream}/{name}", handle: s.handleRemoveCursor, acts: true, about: "remove it"},
	}
}

// forAdmins lets in principals with the right to operate.
func (s *Server) forAdmins(route operatorRoute) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		c := s.identify(r)
		s.require(c)
		if c.fault == nil {
			c.fault = s.mayOperate(r, c.principal, route)
		}
		if c.fault != nil {
			s.refuse(w, r, c.fault)
			return
		}
		if !route.acts {
			route.handle(w, r, operator{c.principal})
			return
		}
		s.audit.operated(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			route.handle(w, r, operator{c.principal})
		}), w, r)
	}
}

// mayOperate returns why a principal may not use a route, nil if it may.
func (s *Server) mayOperate(r *http.Request, p *auth.Principal, route operatorRoute) *wire.Error {
	switch {
	case !p.Admin():
		return wire.Errorf(wire.Forbidden, "the principal may not operate the server: that takes a grant with admin: true")
	case p.Anonymous() && !s.fromThisMachine(r):
		// What an anonymous grant says of a listener on loopback must not hold for another
		// one, nor for a page whose own name resolves to loopback.
		return wire.Errorf(wire.Forbidden, "without a credential, the server can be operated at localhost or a loopback address only, and not through a proxy")
	case route.whole && p.Tenant() != "":
		return wire.Errorf(wire.Forbidden, "this concerns all tenants: the principal operates its own only")
	}
	return nil
}

// routesForAdmins returns the routes of operators on the clients' listener.
func (s *Server) routesForAdmins() map[string]byMethod {
	index := operatorRoute{method: http.MethodGet, path: "", about: "an index of these paths"}
	var entries []indexEntry
	routes := make(map[string]byMethod)
	all := append([]operatorRoute{index}, s.operatorRoutes()...)
	for _, route := range all {
		path := adminPrefix + route.path
		if i := slices.IndexFunc(entries, func(e indexEntry) bool { return e.Path == path }); i >= 0 {
			entries[i].Methods = append(entries[i].Methods, route.method)
			entries[i].About += "; " + route.about
			continue
		}
		entries = append(entries, indexEntry{path, []string{route.method}, route.about})
	}
	serve := s.handleIndex(entries, []wire.Link{{Name: "index", Target: adminPrefix}, {Name: "documentation", Target: "/docs/administration"}})
	all[0].handle = func(w http.ResponseWriter, r *http.Request, _ operator) { serve(w, r) }
	for _, route := range all {
		path := adminPrefix + route.path
		if routes[path] == nil {
			routes[path] = byMethod{}
		}
		routes[path][route.method] = s.forAdmins(route)
	}
	return routes
}

// addForOperators adds the routes of operators to the admin listener, and to its index.
func (s *Server) addForOperators(mux *http.ServeMux, entries []indexEntry) []indexEntry {
	for _, route := range s.operatorRoutes() {
		if route.elsewhere {
			continue
		}
		handle := func(w http.ResponseWriter, r *http.Request) { route.handle(w, r, operator{}) }
		about := route.about
		if route.named || route.acts {
			handle, about = s.forOperators(handle), about+". Not for pages in browsers"
		}
		mux.HandleFunc(route.method+" "+route.path, handle)
		entries = append(entries, indexEntry{route.path, []string{route.method}, about})
	}
	return entries
}

// handleMetrics serves GET /metrics.
func (s *Server) handleMetrics(w http.ResponseWriter, r *http.Request, _ operator) {
	promhttp.HandlerFor(s.config.Registry, promhttp.HandlerOpts{}).ServeHTTP(w, r)
}

// instanceView describes the instance.
type instanceView struct {
	Instance string `json:"instance"`
	Version  string `json:"version"`
	Started  int64  `json:"started"` // Unix milliseconds
	Sessions int    `json:"sessions"`
	Ready    report `json:"ready"`
}

// handleInstance serves GET /instance.
func (s *Server) handleInstance(w http.ResponseWriter, r *http.Request, _ operator) {
	if fault := plain(r); fault != nil {
		s.refuse(w, r, fault)
		return
	}
	s.writeView(w, r, instanceView{
		Instance: s.config.Instance, Version: s.config.Version, Started: s.started.UnixMilli(),
		Sessions: s.sessions.len(), Ready: s.readiness.run(r.Context()),
	})
}
