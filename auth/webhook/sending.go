package webhook

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"time"
)

// send makes one request. A status other than 200, 401 and 403 is an error, which
// counts as a failure of the service if the status is one of the server's (5xx) or
// says that there were too many requests.
func (h *Hook) send(ctx context.Context, body []byte, parse parser) (verdict, error) {
	ctx, cancel := context.WithTimeout(ctx, h.timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, h.url, bytes.NewReader(body))
	if err != nil {
		return verdict{}, errors.New("the webhook's URL cannot be requested")
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Accept", "application/json")
	h.sign(request.Header, body, time.Now())
	response, err := h.client.Do(request)
	if err != nil {
		return verdict{}, away(err)
	}
	defer func() { _ = response.Body.Close() }()
	switch status := response.StatusCode; {
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		return verdict{}, nil
	case status >= 500 || status == http.StatusTooManyRequests:
		return verdict{}, fmt.Errorf("%w: its status is %d", errAway, status)
	case status != http.StatusOK:
		return verdict{}, fmt.Errorf("the webhook's answer has the status %d", status)
	}
	if kind, _, err := mime.ParseMediaType(response.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return verdict{}, errors.New("the webhook's answer is not application/json")
	}
	text, err := io.ReadAll(io.LimitReader(response.Body, MaxAnswerBytes+1))
	switch {
	case err != nil:
		return verdict{}, away(err)
	case len(text) > MaxAnswerBytes:
		return verdict{}, fmt.Errorf("the webhook's answer is longer than %d bytes", MaxAnswerBytes)
	}
	answer, err := parse(text, time.Now())
	if err != nil {
		return verdict{}, fmt.Errorf("the webhook's answer is not valid: %w", err)
	}
	return answer, nil
}

// away is a failure to reach the service, without its URL, whose query may hold a key.
func away(err error) error {
	if said := (*url.Error)(nil); errors.As(err, &said) {
		err = said.Err
	}
	// The deadline is the request's, not that of the client that waits.
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("%w in time", errAway)
	}
	return fmt.Errorf("%w: %w", errAway, err)
}
