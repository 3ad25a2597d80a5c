package transport

import (
	"fmt"
	"net/http"

	"sluice/auth"
)

// errNotFromProxy refuses the headers of a proxy that is not trusted. If they were
// ignored, the proxy's clients would be anonymous ones without anybody noticing.
var errNotFromProxy = fmt.Errorf("%w: headers that say who the client is are accepted from trusted_proxies only", auth.ErrUnsupportedCredential)

// credentialOf finds the credential of a request, with what a trusted proxy says about
// its client.
func (s *Server) credentialOf(r *http.Request) (auth.Credential, error) {
	options := s.config.Credentials
	// Only the clients of a REST proxy, whose paths have a topic, can send nothing else.
	options.Basic = options.Basic && r.PathValue("topic") != ""
	var err error
	if options.Proxied, err = s.proxied(r); err != nil {
		return auth.Credential{}, err
	}
	return auth.FromRequest(r, options)
}

func (s *Server) proxied(r *http.Request) (*auth.Proxied, error) {
	if s.config.Forwarded == nil {
		return nil, nil
	}
	if _, proxies := s.clientOf(r); proxies == 0 {
		if s.config.Forwarded.Sent(r.Header) {
			return nil, errNotFromProxy
		}
		return nil, nil
	}
	said, err := s.config.Forwarded.Read(r.Header)
	// What a proxy knows a browser by, such as a cookie, is also sent by the pages of
	// others.
	if err == nil && said.Assertion != nil && !s.fromOwnPage(r) {
		err = auth.ErrOriginRefused
	}
	return said, err
}

// fromOwnPage reports whether a request comes from a page of an origin that may
// connect, or from no page.
func (s *Server) fromOwnPage(r *http.Request) bool {
	if len(r.Header.Values("Origin")) > 0 {
		return s.sameOrListed(r)
	}
	// Browsers omit Origin from some requests, but not this header.
	for _, site := range r.Header.Values("Sec-Fetch-Site") {
		if site != "same-origin" && site != "none" {
			return false
		}
	}
	return true
}
