package registry

import (
	"context"
	"errors"
	"math"
	"net"
	"net/http"
	"time"

	"github.com/twmb/franz-go/pkg/sr"
)

// latest is the version that stands for the newest one.
const latest = -1

// client makes the requests.
type client struct {
	registry *sr.Client
	http     *http.Client
	timeout  time.Duration // of a request to all instances, one after the other
	requests *requests
}

func newClient(c *Config, requests *requests) (*client, error) {
	made := &client{requests: requests, timeout: c.Timeout * time.Duration(len(c.URLs)), http: &http.Client{
		Transport: bounded{&http.Transport{
			Proxy:                  http.ProxyFromEnvironment,
			DialContext:            (&net.Dialer{Timeout: c.Timeout}).DialContext,
			TLSClientConfig:        c.TLS,
			TLSHandshakeTimeout:    c.Timeout,
			ResponseHeaderTimeout:  c.Timeout,
			ForceAttemptHTTP2:      true,
			MaxConnsPerHost:        2,
			IdleConnTimeout:        time.Minute,
			MaxResponseHeaderBytes: maxHeader,
		}},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	var err error
	made.registry, err = sr.NewClient(sr.HTTPClient(made.http), sr.URLs(c.URLs...), sr.UserAgent("sluice"), sr.PreReq(c.authorize))
	return made, err
}

// byID asks for a schema.
func (c *client) byID(ctx context.Context, id uint32) (sr.Schema, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	if id > math.MaxInt32 {
		return sr.Schema{}, errors.New("no schema has an id that is negative")
	}
	got, err := c.registry.SchemaByID(ctx, int(id))
	if err == nil && got.Schema == "" {
		err = errAnswer
	}
	return got, c.count(err)
}

// version asks for a version of a subject, or for its latest.
func (c *client) version(ctx context.Context, subject string, version int) (sr.SubjectSchema, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	got, err := c.registry.SchemaByVersion(ctx, subject, version)
	if err == nil && (got.ID <= 0 || got.ID > math.MaxInt32 || got.Version <= 0 || version != latest && got.Version != version || got.Schema.Schema == "") {
		err = errAnswer
	}
	return got, c.count(err)
}

// count counts a request, and returns why it has failed.
func (c *client) count(err error) error {
	if err == nil {
		c.requests.add(OK)
		return nil
	}
	failed := failure(err)
	c.requests.add(failed.outcome)
	return failed
}
