package transport

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/http/pprof"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// readyWithin bounds a look at whether the instance is ready.
const readyWithin = 2 * time.Second

// errDraining is why an instance that ends is not ready.
var errDraining = errors.New("the instance is going away")

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

// handleReady answers 200 when clients may be sent here, else 503, with what
// each check says, and which of them it does without.
func (s *Server) handleReady(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), readyWithin)
	defer cancel()
	checks := map[string]string{"drain": "ok"}
	status := http.StatusOK
	note := func(name string, err error) {
		checks[name] = "ok"
		if err != nil {
			checks[name] = err.Error()
			status = http.StatusServiceUnavailable
		}
	}
	if s.draining.Load() {
		note("drain", errDraining)
	}
	for name, check := range s.config.Ready {
		note(name, check(ctx))
	}
	answer := map[string]any{"ready": status == http.StatusOK, "checks": checks}
	var degraded []string
	for _, name := range slices.Sorted(maps.Keys(s.config.Degraded)) {
		checks[name] = "ok"
		if err := s.config.Degraded[name](ctx); err != nil {
			checks[name] = err.Error()
			degraded = append(degraded, name)
		}
	}
	if len(degraded) > 0 {
		answer["degraded"] = degraded
	}
	body, err := json.Marshal(answer)
	if err != nil {
		status, body = http.StatusInternalServerError, []byte("{}")
	}
	writeJSON(w, status, body)
}

// handleAdminStreams lists the streams with how they do.
func (s *Server) handleAdminStreams(w http.ResponseWriter, r *http.Request) {
	s.writeView(w, r, map[string]any{"streams": s.config.Hub.Streams(), "sessions": s.sessions.len()})
}
