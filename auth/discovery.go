package auth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"
)

const (
	// documentEvery is how often an issuer's discovery document is read again. It is
	// also read again after fetching the keys from the address in it has failed.
	documentEvery = time.Hour
	// documentTimeout bounds reading the document, so that time is left to fetch
	// the keys from the address that is known already.
	documentTimeout = keysTimeout / 2
	// maxDocumentBytes bounds the document.
	maxDocumentBytes = 256 << 10
	// maxURLBytes bounds the address in the document.
	maxURLBytes = 2 << 10
)

// discovery finds the address of an issuer's keys in the document that the issuer
// publishes (OpenID Connect Discovery 1.0 section 4, RFC 8414 section 3). The
// requests go to the configured issuer and to the `jwks_uri` of its document, which
// may name another host, as providers often do, but never to an address in a token.
// The document counts only if it names exactly the configured issuer (OpenID Connect
// Discovery 1.0 section 4.3): otherwise one issuer could vouch for another.
type discovery struct {
	// Immutable.
	issuer    string
	documents []string // where the document may be, in this order
	plain     bool     // the issuer is on loopback, without TLS
	client    *http.Client
	log       *slog.Logger

	// Owned by the fetch in flight.
	address string    // empty before the document has been read
	read    time.Time // when it was read last
	lost    bool      // the keys could not be fetched from address
	failing bool      // reading the document has failed since
}

func newDiscovery(issuer string, insecure bool, client *http.Client, log *slog.Logger) (*discovery, error) {
	u, err := url.Parse(issuer)
	if err != nil {
		return nil, errors.New("discovery requires an issuer that is a URL")
	}
	switch {
	case u.Host == "" || u.Opaque != "" || u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return nil, errors.New("discovery requires an issuer that is a URL with a host and perhaps a path, and nothing else")
	case u.Scheme == "https":
	case u.Scheme == "http" && insecure && onLoopback(u):
	default:
		return nil, errors.New("discovery requires an https issuer: over http, the keys could be replaced in transit")
	}
	path := strings.TrimSuffix(u.EscapedPath(), "/")
	site := u.Scheme + "://" + u.Host
	return &discovery{
		issuer: issuer,
		documents: []string{
			site + path + "/.well-known/openid-configuration",
			site + "/.well-known/oauth-authorization-server" + path,
		},
		plain:  u.Scheme == "http",
		client: client,
		log:    log,
	}, nil
}

// find returns the address of the keys. An address that is known stays in use while
// the document cannot be read.
func (d *discovery) find(ctx context.Context) (string, error) {
	if d.address != "" && !d.lost && time.Since(d.read) < documentEvery {
		return d.address, nil
	}
	address, err := d.look(ctx)
	switch {
	case err == nil:
		d.address, d.read, d.lost, d.failing = address, time.Now(), false, false
		return address, nil
	case d.address == "":
		return "", fmt.Errorf("read discovery document: %w", err)
	case !d.failing && ctx.Err() == nil:
		d.failing = true
		d.log.Warn("reading the discovery document failed; its last key URL remains in use", "error", err)
	}
	return d.address, nil
}

// failed is called after the keys could not be fetched from the address that find
// has returned.
func (d *discovery) failed() { d.lost = true }

// look reads the document. The second place, that of RFC 8414, is tried if there is
// nothing at the first one.
func (d *discovery) look(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, documentTimeout)
	defer cancel()
	text, err := request(ctx, d.client, d.documents[0], "application/json", maxDocumentBytes)
	var status statusError
	if errors.As(err, &status) && status >= 400 && status < 500 {
		var second error
		if text, second = request(ctx, d.client, d.documents[1], "application/json", maxDocumentBytes); second == nil {
			err = nil
		}
	}
	if err != nil {
		return "", err
	}
	return d.parse(text)
}

// parse returns the address of the keys in a document.
func (d *discovery) parse(text []byte) (string, error) {
	// A map, because the names of a struct's fields are compared without case.
	var members map[string]json.RawMessage
	if err := json.Unmarshal(text, &members); err != nil {
		return "", errors.New("the discovery document is not a JSON object")
	}
	var issuer, keys string
	// A member that is missing or no string stays empty.
	_ = json.Unmarshal(members["issuer"], &issuer)
	_ = json.Unmarshal(members["jwks_uri"], &keys)
	if issuer != d.issuer {
		return "", errors.New("the issuer in the discovery document is not the configured one")
	}
	if err := d.check(keys); err != nil {
		return "", err
	}
	return keys, nil
}

// check refuses an address of keys that are not protected in transit. Without TLS
// it must be on loopback, like the issuer.
func (d *discovery) check(keys string) error {
	u, err := url.Parse(keys)
	switch {
	case err != nil || len(keys) > maxURLBytes || u.Host == "" || u.Opaque != "" || u.User != nil || u.Fragment != "":
		return errors.New("the discovery document has no jwks_uri that is a URL")
	case u.Scheme == "https", u.Scheme == "http" && d.plain && onLoopback(u):
		return nil
	default:
		return errors.New("the jwks_uri of the discovery document is not https")
	}
}

func onLoopback(u *url.URL) bool {
	address, err := netip.ParseAddr(u.Hostname())
	return u.Hostname() == "localhost" || err == nil && address.IsLoopback()
}
