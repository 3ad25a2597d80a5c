package transport

import (
	"encoding/json"
	"net/http"
	"net/http/pprof"
	"net/url"
	"strings"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"sluice/hub"
	"sluice/hub/event"
	"sluice/hub/record"
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
	mux.HandleFunc("GET /streams", s.handleAdminStreams)
	mux.HandleFunc("GET /revocations", s.forOperators(s.handleRevocations))
	mux.HandleFunc("POST /revocations", s.forOperators(s.handleRevoke))
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	index := []wire.Link{{Name: "index", Target: "/"}}
	mux.HandleFunc("GET /{$}", s.handleIndex(adminIndex, index))
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

// adminStream describes a stream to operators.
type adminStream struct {
	Stream      string        `json:"stream"`
	Tenant      string        `json:"tenant,omitempty"`
	Topic       string        `json:"topic"`
	Content     event.Content `json:"content,omitempty"`
	Publishable bool          `json:"publishable"`
	// Partitions is 0 until the number is known.
	Partitions int32 `json:"partitions"`
	// TopicMissing is set while the topic does not exist in Kafka.
	TopicMissing bool `json:"topic_missing"`
	// Reading is set while the topic is read. Live and Since then report whether
	// reading works and since when.
	Reading     bool   `json:"reading"`
	Live        bool   `json:"live"`
	Since       int64  `json:"since,omitempty"` // Unix milliseconds
	Subscribers int    `json:"subscribers"`
	LogBytes    int    `json:"log_bytes"`
	Records     uint64 `json:"records_read"`
	Bytes       uint64 `json:"event_bytes_read"`
	Gaps        uint64 `json:"gaps_read"`
	Slow        uint64 `json:"fell_behind"`
	// Undecrypted counts the records in which something could not be decrypted. It is left
	// out if nothing in the stream is encrypted.
	Undecrypted *uint64 `json:"undecrypted_records,omitempty"`
	// Undecided counts how often the filter of a grant failed on a record.
	Undecided uint64 `json:"undecided_records"`
	// GapsReported counts the gaps reported to subscribers, by reason.
	GapsReported map[record.GapReason]uint64 `json:"gaps_reported"`
}

func newAdminStream(info hub.StreamInfo) adminStream {
	made := adminStream{
		Stream: info.Name, Tenant: info.Tenant, Topic: info.Topic, Content: info.Content, Publishable: info.Publishable,
		Partitions: info.Partitions, TopicMissing: info.Missing, Reading: info.Reading, Subscribers: info.Subscribers,
		LogBytes: info.LogBytes, Records: info.Records, Bytes: info.Bytes, Gaps: info.Gaps,
		Slow: info.Slow, Undecided: info.Undecided, GapsReported: info.Reported,
	}
	if info.Encrypted {
		made.Undecrypted = &info.Undecrypted
	}
	if info.Reading {
		made.Live, made.Since = info.Status.Live, info.Status.Since.UnixMilli()
	}
	return made
}

// handleAdminStreams lists the streams and their state.
func (s *Server) handleAdminStreams(w http.ResponseWriter, r *http.Request) {
	infos := s.config.Hub.Streams()
	streams := make([]adminStream, len(infos))
	for i, info := range infos {
		streams[i] = newAdminStream(info)
	}
	s.writeView(w, r, map[string]any{"streams": streams, "sessions": s.sessions.len()})
}
