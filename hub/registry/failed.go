package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"

	"github.com/twmb/franz-go/pkg/sr"
)

// maxAnswer bounds an answer: a schema of 1 MiB, of which each character may be escaped.
const maxAnswer = 4 << 20

// requestError is a request that did not bring a schema.
type requestError struct {
	outcome Outcome
	cause   error
}

// Error implements error.
func (e *requestError) Error() string { return e.cause.Error() }

// Unwrap returns the cause.
func (e *requestError) Unwrap() error { return e.cause }

var (
	errTooLarge = fmt.Errorf("the answer is larger than %d bytes", maxAnswer)
	errAnswer   = errors.New("the answer is not one of a schema registry")
	errBroken   = errors.New("the answer did not come in time, or not as a whole")
)

// failure returns why a request has failed, without anything of the answer.
func failure(err error) *requestError {
	var failed *requestError
	var answered *sr.ResponseError
	var sent *url.Error
	var broken net.Error
	switch {
	case errors.As(err, &failed):
		return failed
	case errors.As(err, &answered):
		return refusal(answered)
	case errors.Is(err, errTooLarge):
		return &requestError{Invalid, errTooLarge}
	case errors.As(err, &sent) && !sent.Timeout():
		return &requestError{Away, sent.Err} // without the address
	case errors.As(err, &broken), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, context.Canceled):
		return &requestError{Away, errBroken}
	}
	return &requestError{Invalid, errAnswer} // other errors may quote the answer
}

// refusal returns the error of an answer with a status that is not 2xx.
func refusal(r *sr.ResponseError) *requestError {
	outcome, hint := Invalid, ""
	switch s := r.StatusCode; {
	case s == http.StatusUnauthorized, s == http.StatusForbidden:
		outcome, hint = Refused, ": check the credential in registries, and its right to read the subject"
	case s == http.StatusNotFound:
		outcome, hint = Missing, ": there is no such subject or version, or the URL is not that of a registry"
	case s < http.StatusBadRequest:
		hint = ", a redirect, which is not followed"
	}
	code := ""
	if r.ErrorCode != 0 {
		code = fmt.Sprintf(" and error code %d", r.ErrorCode)
	}
	return &requestError{outcome, fmt.Errorf("the registry answered with status %d%s%s", r.StatusCode, code, hint)}
}
