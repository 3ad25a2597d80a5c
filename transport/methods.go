package transport

import (
	"maps"
	"net/http"
	"path"
	"slices"
	"strings"

	"sluice/transport/wire"
)

// byMethod is the handlers of a path, by method. A path with GET also has HEAD,
// which is answered alike, without the content.
type byMethod map[string]http.HandlerFunc

// ServeHTTP implements http.Handler.
func (m byMethod) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	if handle := m[method]; handle != nil {
		handle(w, r)
		return
	}
	w.Header().Set("Allow", m.allow())
	http.Error(w, http.StatusText(http.StatusMethodNotAllowed), http.StatusMethodNotAllowed)
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
// or 404.
func (s *Server) handleElsewhere(w http.ResponseWriter, r *http.Request) {
	if s.config.Console == nil || r.URL.Path == "/v1" || strings.HasPrefix(r.URL.Path, "/v1/") {
		http.NotFound(w, r)
		return
	}
	s.config.Console.ServeHTTP(w, r)
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
