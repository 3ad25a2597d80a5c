package auth

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
)

// statusError is the status of an issuer's answer that is not 200.
type statusError int

func (s statusError) Error() string {
	return fmt.Sprintf("the issuer answered with status %d", int(s))
}

// newClient returns a client for an issuer's addresses, which follows no redirects
// and keeps no cookies. Nil means a client with the system's roots and the
// environment's proxy.
func newClient(client *http.Client) *http.Client {
	own := http.Client{Transport: &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DisableKeepAlives:      true, // the next request is minutes later
		MaxResponseHeaderBytes: 64 << 10,
	}}
	if client != nil {
		own = *client
	}
	own.Jar = nil
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &own
}

// request returns the content at an address, which has at most so many bytes.
func request(ctx context.Context, client *http.Client, address, accept string, most int) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", accept)
	response, err := client.Do(request)
	if err != nil {
		if said := (*url.Error)(nil); errors.As(err, &said) {
			return nil, said.Err // without the address, whose query may hold a key
		}
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return nil, statusError(response.StatusCode)
	}
	content, err := io.ReadAll(io.LimitReader(response.Body, int64(most)+1))
	if err != nil {
		return nil, err
	}
	if len(content) > most {
		return nil, fmt.Errorf("the answer is larger than %d bytes", most)
	}
	return content, nil
}
