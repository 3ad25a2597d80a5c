package registry

import (
	"fmt"
	"io"
	"net/http"
)

// maxHeader bounds the header of an answer.
const maxHeader = 64 << 10

// bounded makes errors of answers after which the next instance is asked, and bounds others.
type bounded struct{ *http.Transport }

// RoundTrip implements http.RoundTripper.
func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := b.Transport.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	if response.StatusCode >= http.StatusInternalServerError || response.StatusCode == http.StatusTooManyRequests {
		_ = response.Body.Close()
		return nil, &requestError{Away, fmt.Errorf("the registry answered with status %d", response.StatusCode)}
	}
	response.Body = &body{response.Body, maxAnswer}
	return response, nil
}

// body is the body of an answer, of which so much is left to read.
type body struct {
	io.ReadCloser
	left int
}

// Read implements io.Reader.
func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if b.left -= n; b.left < 0 {
		return 0, errTooLarge
	}
	return n, err
}
