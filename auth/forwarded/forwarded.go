package forwarded

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"sluice/auth"
)

// Issuer is the issuer of the principals that proxies have identified.
const Issuer = "forwarded"

// maxClaimsBytes bounds the claims, with sub and iss.
const maxClaimsBytes = 4 << 10

// Config configures the headers. Empty fields are headers that do not count.
type Config struct {
	// SubjectHeader names the client.
	SubjectHeader string
	// ClaimsHeaders are further headers, by the claim that they become.
	ClaimsHeaders map[string]string
	// ListClaims are the claims whose header is a list, separated by commas.
	ListClaims []string
	// CertificateHeader has the client's certificate, see ParseCertificate.
	CertificateHeader string
	// Lifetime is how long an identity is valid: proxies do not say when it ends.
	Lifetime time.Duration
}

// Headers reads the headers of requests, and is the Verifier of what they say. All
// methods are safe for concurrent use.
type Headers struct {
	subject     string
	claims      map[string]string // headers by claim
	lists       map[string]bool
	certificate string
	lifetime    time.Duration
	all         []string
}

// reserved are headers that have another meaning to the server.
var reserved = []string{
	"Authorization", "Connection", "Content-Length", "Content-Type", "Cookie", "Dpop", "Host", "Origin",
	"Sec-Fetch-Site", "Sec-Websocket-Protocol", "Transfer-Encoding", "Upgrade", "X-Forwarded-For", "X-Forwarded-Proto",
}

// New validates the configuration.
func New(c Config) (*Headers, error) {
	h := &Headers{
		subject:     http.CanonicalHeaderKey(c.SubjectHeader),
		claims:      make(map[string]string),
		lists:       make(map[string]bool),
		certificate: http.CanonicalHeaderKey(c.CertificateHeader),
		lifetime:    c.Lifetime,
	}
	for claim, header := range c.ClaimsHeaders {
		if claim == "" || claim == "sub" || claim == "iss" {
			return nil, fmt.Errorf("check claims headers: the claim %q cannot be set", claim)
		}
		h.claims[claim] = http.CanonicalHeaderKey(header)
	}
	for _, claim := range c.ListClaims {
		if _, ok := h.claims[claim]; !ok {
			return nil, fmt.Errorf("check list claims: %s has no header", claim)
		}
		h.lists[claim] = true
	}
	h.all = slices.Sorted(maps.Values(h.claims))
	for _, header := range []string{h.subject, h.certificate} {
		if header != "" {
			h.all = append(h.all, header)
		}
	}
	for i, header := range h.all {
		switch {
		case !validName(header):
			return nil, fmt.Errorf("check headers: %q is not the name of a header", header)
		case slices.Contains(reserved, header):
			return nil, fmt.Errorf("check headers: %s has another meaning", header)
		case slices.Contains(h.all[:i], header):
			return nil, fmt.Errorf("check headers: %s is there twice", header)
		}
	}
	switch {
	case len(h.all) == 0:
		return nil, errors.New("check headers: there is none")
	case h.subject == "" && len(h.claims) > 0:
		return nil, errors.New("check headers: claims require a subject")
	case h.subject != "" && h.lifetime <= 0:
		return nil, errors.New("check lifetime: an identity must end")
	}
	return h, nil
}

// validName reports whether a text is a field name (RFC 9110 section 5.1).
func validName(name string) bool {
	return name != "" && !strings.ContainsFunc(name, func(r rune) bool {
		return r >= 0x7f || !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("!#$%&'*+-.^_`|~", r)
	})
}

// Sent implements transport.Forwarded.
func (h *Headers) Sent(header http.Header) bool {
	return slices.ContainsFunc(h.all, func(name string) bool { return len(header[name]) > 0 })
}

// Read implements transport.Forwarded.
func (h *Headers) Read(header http.Header) (*auth.Proxied, error) {
	for _, name := range h.all {
		if len(header[name]) > 1 {
			return nil, fmt.Errorf("%w: the header %s is there twice", auth.ErrAmbiguousCredentials, name)
		}
	}
	var (
		said = &auth.Proxied{}
		err  error
	)
	if h.subject != "" {
		if said.Assertion, err = h.assertion(header); err != nil {
			return nil, err
		}
	}
	if h.certificate != "" && len(header[h.certificate]) > 0 {
		if said.Certificate, err = ParseCertificate(header[h.certificate][0]); err != nil {
			return nil, fmt.Errorf("%w: the header %s: %w", auth.ErrUnauthenticated, h.certificate, err)
		}
	}
	return said, nil
}

// assertion returns the identity that the headers assert, nil if there is none.
func (h *Headers) assertion(header http.Header) (*auth.Assertion, error) {
	claims := map[string]any{"iss": Issuer}
	for claim, name := range h.claims {
		value := header.Get(name)
		switch {
		case !validText(value):
			return nil, fmt.Errorf("%w: the header %s is not UTF-8, or has control characters", auth.ErrUnauthenticated, name)
		case value == "": // an attribute that the client does not have
		case h.lists[claim]:
			claims[claim] = elements(value)
		default:
			claims[claim] = value
		}
	}
	subjects := header[h.subject]
	if len(subjects) == 0 {
		if len(claims) > 1 {
			return nil, fmt.Errorf("%w: there are claims without the header %s", auth.ErrUnauthenticated, h.subject)
		}
		return nil, nil
	}
	subject := subjects[0]
	if !auth.ValidSubject(subject) {
		return nil, fmt.Errorf("%w: the header %s is empty, too long, not UTF-8, or has control characters", auth.ErrUnauthenticated, h.subject)
	}
	claims["sub"] = subject
	encoded, err := json.Marshal(claims)
	if err != nil {
		return nil, fmt.Errorf("encode claims: %w", err)
	}
	if len(encoded) > maxClaimsBytes {
		return nil, fmt.Errorf("%w: the claims are longer than %d bytes", auth.ErrUnauthenticated, maxClaimsBytes)
	}
	return &auth.Assertion{Subject: subject, Claims: encoded}, nil
}

// elements returns the elements of a list (RFC 9110 section 5.6.1).
func elements(value string) []string {
	found := []string{}
	for element := range strings.SplitSeq(value, ",") {
		if element = strings.Trim(element, " "); element != "" {
			found = append(found, element)
		}
	}
	return found
}

func validText(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
}

// Verify implements auth.Verifier for what Read has returned.
func (h *Headers) Verify(_ context.Context, c auth.Credential) (*auth.Identity, error) {
	if c.Scheme != auth.SchemeForwarded || c.Asserted == nil || h.subject == "" {
		return nil, auth.ErrOtherCredential
	}
	return &auth.Identity{
		Issuer:    Issuer,
		Subject:   c.Asserted.Subject,
		Claims:    c.Asserted.Claims,
		ExpiresAt: time.Now().Add(h.lifetime),
	}, nil
}
