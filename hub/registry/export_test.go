package registry

import (
	"net/http"
	"net/http/httptest"
)

// Answer has requests over http answered by a handler, without a network.
func (r *Registry) Answer(h http.Handler) { r.settings.Load().answer(h) }

func (s *settings) answer(h http.Handler) {
	s.client.http.Transport.(bounded).RegisterProtocol("http", answering{h})
}

// Renew is Prepare with requests that are answered by a handler, and has the result in force.
func (r *Registry) Renew(c Config, h http.Handler) error {
	next, err := newSettings(c, &r.requests)
	if err != nil {
		return err
	}
	next.answer(h)
	r.use(next)
	return nil
}

type answering struct{ http.Handler }

// RoundTrip implements http.RoundTripper.
func (a answering) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	recorder := httptest.NewRecorder()
	a.ServeHTTP(recorder, r)
	return recorder.Result(), nil
}

// Bundle puts a schema into another that refers to it by a name.
func Bundle(text, name, other string) ([]byte, error) {
	return bundle(text, []referred{{name, other}})
}
