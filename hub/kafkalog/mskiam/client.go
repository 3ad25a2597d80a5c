package mskiam

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
)

// maxAnswer bounds what is read from a connection to AWS, which carries one answer, in
// bytes.
const maxAnswer = 256 << 10

var (
	errTooLarge = fmt.Errorf("the answer is larger than %d bytes", maxAnswer)
	errRedirect = errors.New("the answer is a redirect, and redirects are not followed")
)

// newClient returns the HTTP client of the SDK. It follows no redirect, and ends an answer
// that is too large. The SDK takes only a client of its own type if AWS_CA_BUNDLE is set,
// so that both are done by the transport.
func newClient() *awshttp.BuildableClient {
	return awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) {
		t.DisableKeepAlives = true // a request is rare
		t.MaxResponseHeaderBytes = 64 << 10
		t.Proxy = func(request *http.Request) (*url.URL, error) {
			if request.Response != nil { // the redirect that led to this request
				return nil, errRedirect
			}
			return http.ProxyFromEnvironment(request)
		}
		dial := t.DialContext
		t.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := dial(ctx, network, address)
			if err != nil {
				return nil, err
			}
			return &bounded{Conn: conn, left: maxAnswer}, nil
		}
	})
}

// bounded is a connection from which not more is read than an answer can have.
type bounded struct {
	net.Conn
	left int // owned by the transport's reader
}

// Read implements net.Conn.
func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errTooLarge
	}
	n, err := b.Conn.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}
