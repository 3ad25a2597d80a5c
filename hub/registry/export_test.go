package registry

import (
	"net/http"
	"net/http/httptest"
)

// Answer has requests over http answered by a handler, without a network.
func (r *Registry) Answer(h http.Handler) {
	r.client.http.Transport.(bounded).RegisterProtocol("http", answering{h})
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
