package transport

import (
	"cmp"
	"encoding/json"
	"net/http"
	"net/http/pprof"
	"net/url"
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"sluice/transport/wire"
)

// adminRoutes returns the routes of the admin listener.
func (s *Server) adminRoutes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, []byte(`{"live":true}`))
	})
	mux.HandleFunc("GET /readyz", s.handleReady)
	mux.Handle("GET /metrics", promhttp.HandlerFor(s.config.Registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /streams", func(w http.ResponseWriter, r *http.Request) { s.handleAdminStreams(w, r, operator{}) })
	mux.HandleFunc("GET /revocations", s.forOperators(s.handleRevocations))
	mux.HandleFunc("POST /revocations", s.forOperators(s.handleRevoke))
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	index := []wire.Link{{Name: "index", Target: "/"}}
	entries := s.addForOperators(mux, slices.Clone(adminIndex))
	slices.SortFunc(entries, func(a, b indexEntry) int { return cmp.Compare(a.Path, b.Path) })
	mux.HandleFunc("GET /{$}", s.handleIndex(entries, index))
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		r.Pattern = "" // for the audit it is no route
		if methods := methodsAt(mux, r); len(methods) > 0 {
			allow := strings.Join(methods, ", ")
			w.Header().Set("Allow", allow)
			s.refuseElsewhere(w, wrongMethod(r, allow), index...)
			return
		}
		s.refuseElsewhere(w, unknownPath(r, func(path string) bool {
			return len(methodsAt(mux, &http.Request{URL: &url.URL{Path: path}})) > 0
		}), index...)
	})
	return shielded(s.audit.administration(s.named(mux)))
}

// adminIndex is the index of the admin listener. Who can connect to it may use all of it.
var adminIndex = []indexEntry{
	{"/debug/pprof/", []string{http.MethodGet}, "profiles of the program (Go's pprof)"},
	{"/livez", []string{http.MethodGet}, "whether the process serves"},
	{"/metrics", []string{http.MethodGet}, "metrics for Prometheus"},
	{"/readyz", []string{http.MethodGet}, "whether clients may be sent here, with each check"},
	{"/revocations", []string{http.MethodGet, http.MethodPost}, "what is revoked; revoke a credential. Not for pages in browsers"},
	{"/streams", []string{http.MethodGet}, "the streams, and how they are read"},
}

// handleReady answers 200 when clients may be sent to this instance, else 503, with
// the result of each check and the names of the failed checks that the instance can
// do without.
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
