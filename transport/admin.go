package transport

import (
	"encoding/json"
	"net/http"
	"net/http/pprof"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// adminRoutes is what operators find.
func (s *Server) adminRoutes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, []byte(`{"live":true}`))
	})
	mux.HandleFunc("GET /readyz", s.handleReady)
	mux.Handle("GET /metrics", promhttp.HandlerFor(s.config.Registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /streams", s.handleAdminStreams)
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	return mux
}

// handleReady answers 200 when clients may be sent here, else 503, with the
// result of each check, and the failed ones that the instance does without.
func (s *Server) handleReady(w http.ResponseWriter, r *http.Request) {
	made := s.readiness.run(r.Context())
	status := http.StatusOK
	if !made.Ready {
		status = http.StatusServiceUnavailable
	}
	body, err := json.Marshal(made)
	if err != nil {
		status, body = http.StatusInternalServerError, []byte("{}")
	}
	writeJSON(w, status, body)
}

// handleAdminStreams lists the streams with how they do.
func (s *Server) handleAdminStreams(w http.ResponseWriter, r *http.Request) {
	s.writeView(w, r, map[string]any{"streams": s.config.Hub.Streams(), "sessions": s.sessions.len()})
}
