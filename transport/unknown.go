package transport

import (
	"net/http"
	"slices"
	"strings"

	"sluice/transport/wire"
)

// unknownPath returns the fault of a request for a path that nothing is at. The query is
// not shown, as it can contain a token.
func unknownPath(r *http.Request, known func(path string) bool) *wire.Error {
	asked := r.URL.EscapedPath()
	fault := wire.Errorf(wire.UnknownPath, "there is nothing at %s", wire.Shown(asked))
	if other := strings.TrimRight(asked, "/"); other != asked && known(other) {
		fault.Message += ": leave out the slash at the end"
		fault.Links = append(fault.Links, wire.Link{Name: "suggestion", Target: other})
	}
	return fault
}

// wrongMethod returns the fault of a request with a method that a path does not have.
func wrongMethod(r *http.Request, allow string) *wire.Error {
	return wire.Errorf(wire.MethodNotAllowed, "%s is not for this path, which has %s", wire.Shown(r.Method), allow)
}

// refuseElsewhere answers a request that no part of the protocol is asked by. It is counted
// and not logged: there is no end of such requests to a server on the internet.
func (s *Server) refuseElsewhere(w http.ResponseWriter, fault *wire.Error, links ...wire.Link) {
	s.metrics.fault(fault.Code)
	fault.Links = append(fault.Links, links...)
	writeProblem(w, fault.Status(), fault)
}

// links are where a client that is lost finds more.
func (s *Server) links() []wire.Link {
	links := []wire.Link{{Name: "index", Target: "/v1/"}}
	if s.config.Console != nil {
		links = append(links, wire.Link{Name: "protocol", Target: "/docs/PROTOCOL"}, wire.Link{Name: "console", Target: "/"})
	}
	return links
}

// methodsAt returns the methods that a mux has handlers for at the path of a request, other
// than a handler for everything else.
func methodsAt(mux *http.ServeMux, r *http.Request) (methods []string) {
	for _, method := range []string{http.MethodDelete, http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut} {
		probe := &http.Request{Method: method, URL: r.URL, Host: r.Host}
		if _, pattern := mux.Handler(probe); pattern != "" && pattern != "/" {
			methods = append(methods, method)
		}
	}
	return slices.Compact(methods)
}

// absent is the ResponseWriter of a handler whose 404 and 405 are replaced by problems.
type absent struct {
	http.ResponseWriter
	status int // 404 or 405, 0 for none
}

// Unwrap implements what http.ResponseController asks for.
func (a *absent) Unwrap() http.ResponseWriter { return a.ResponseWriter }

func (a *absent) WriteHeader(status int) {
	if status == http.StatusNotFound || status == http.StatusMethodNotAllowed {
		a.status = status
		return
	}
	a.ResponseWriter.WriteHeader(status)
}

func (a *absent) Write(p []byte) (int, error) {
	if a.status != 0 {
		return len(p), nil
	}
	return a.ResponseWriter.Write(p)
}
