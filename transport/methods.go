package transport

import (
	"maps"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"

	"sluice/transport/wire"
)

// byMethod is the handlers of a path, by method. A path with GET also has HEAD,
// which is answered alike, without the content.
type byMethod map[string]http.HandlerFunc

// at returns the handler of a path.
func (s *Server) at(m byMethod) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) { s.serve(m, w, r) }
}

func (s *Server) serve(m byMethod, w http.ResponseWriter, r *http.Request) {
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	if handle := m[method]; handle != nil {
		handle(w, r)
		return
	}
	w.Header().Set("Allow", m.allow())
	s.refuseElsewhere(w, wrongMethod(r, m.allow()), s.links()...)
}

// allow returns the value of an Allow header (RFC 9110, section 10.2.1).
func (m byMethod) allow() string {
	methods := slices.Sorted(maps.Keys(m))
	if m[http.MethodGet] != nil {
		methods = append(methods, http.MethodHead)
	}
	return strings.Join(methods, ", ")
}

// handleElsewhere serves paths outside the protocol: the console and the documents,
// or a problem. The mux has the protocol's paths.
func (s *Server) handleElsewhere(mux *http.ServeMux) http.HandlerFunc {
	known := func(path string) bool {
		u, err := url.ParseRequestURI(path)
		if err != nil {
			return false
		}
		_, pattern := mux.Handler(&http.Request{Method: http.MethodGet, URL: u})
		return pattern != "" && pattern != "/"
	}
	return func(w http.ResponseWriter, r *http.Request) {
		if s.config.Console == nil || strings.HasPrefix(r.URL.Path, "/v1/") {
			s.refuseElsewhere(w, unknownPath(r, known), s.links()...)
			return
		}
		answer := &absent{ResponseWriter: w}
		s.config.Console.ServeHTTP(answer, r)
		switch answer.status {
		case http.StatusNotFound:
			s.refuseElsewhere(w, unknownPath(r, known), s.links()...)
		case http.StatusMethodNotAllowed:
			s.refuseElsewhere(w, wrongMethod(r, w.Header().Get("Allow")), s.links()...)
		}
	}
}

// cleaned redirects from a path with empty, "." or ".." segments to the clean path.
// The query may contain a token, which an answer must not repeat, so the redirect
// has no query; and because the request would mean something else without its query,
// a request that has one is refused instead.
func (s *Server) cleaned(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		escaped := r.URL.EscapedPath()
		clean := cleanPath(escaped)
		switch {
		case clean == escaped || r.Method == http.MethodConnect:
			next.ServeHTTP(w, r)
		case r.URL.RawQuery != "":
			s.refuse(w, r, wire.Errorf(wire.BadRequest, "the path has empty or dot segments: remove them"))
		default:
			w.Header().Set("Location", clean)
			w.WriteHeader(http.StatusTemporaryRedirect)
		}
	})
}

// cleanPath returns a path as http.ServeMux expects it.
func cleanPath(escaped string) string {
	clean := path.Clean("/" + escaped)
	if strings.HasSuffix(escaped, "/") && clean != "/" {
		clean += "/"
	}
	return clean
}
