package client

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
)

// Reasons for which a server cannot be reached however often it is tried: something has to
// be changed first.
var (
	// ErrUntrusted means that the certificate of the server does not verify: its authority is
	// not known, it is for another name, or it is not valid at this time.
	ErrUntrusted = errors.New("the certificate of the server cannot be trusted")
	// ErrCertificateWanted means that the server refuses the client certificate of
	// Config.HTTPClient, or that there is none.
	ErrCertificateWanted = errors.New("the server does not accept the client certificate, or there is none")
	// ErrPlain means that a server was asked by https:// that speaks no TLS at this address.
	ErrPlain = errors.New("the server speaks no TLS at this address: the URL begins with http://")
	// ErrEncrypted means that a server was asked by http:// that speaks only TLS at this address.
	ErrEncrypted = errors.New("the server speaks TLS at this address: the URL begins with https://")
)

// refusedCertificates are the alerts with which a server refuses a client certificate (RFC 8446,
// section 6.2): bad_certificate, unsupported_certificate, certificate_revoked, certificate_expired,
// certificate_unknown, unknown_ca, access_denied, certificate_required.
var refusedCertificates = []tls.AlertError{42, 43, 44, 45, 46, 48, 49, 116}

// Unreachable tells why an error of a request cannot pass: it returns an error that wraps it,
// and ErrUntrusted, ErrCertificateWanted, ErrPlain or ErrEncrypted. It returns nil for every other
// error: what is refused, reset or late now may succeed later.
func Unreachable(err error) error {
	var (
		untrusted *tls.CertificateVerificationError
		noTLS     tls.RecordHeaderError
		why       error
	)
	switch {
	case err == nil:
	case isUnreachable(err):
		return err
	case errors.As(err, &untrusted):
		why = ErrUntrusted
	case errors.Is(err, http.ErrSchemeMismatch), errors.As(err, &noTLS) && noTLS.Msg == notTLS:
		why = ErrPlain
	case refusesCertificate(err):
		why = ErrCertificateWanted
	case strings.Contains(err.Error(), malformedAlert):
		why = ErrEncrypted
	}
	if why == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", why, err)
}

// reached is an error of a request, in brief, with why it cannot pass, if it cannot.
func reached(err error) error {
	err = Brief(err)
	if lasting := Unreachable(err); lasting != nil {
		return lasting
	}
	return err
}

// Brief returns an error of a request in a short sentence: the address, and what has happened there, in
// place of the steps of the libraries and the whole URL, whose query may be long. It wraps the error. Other
// errors are returned as they are.
func Brief(err error) error {
	request, ok := errors.AsType[*url.Error](err)
	if !ok {
		return err
	}
	doing, to, cause := "ask", request.URL, request.Err
	if address, err := url.Parse(request.URL); err == nil {
		to = address.Host
	}
	if op, ok := errors.AsType[*net.OpError](cause); ok && op.Op == "dial" {
		doing, cause = "connect to", op.Err
		if call, ok := errors.AsType[*os.SyscallError](cause); ok {
			cause = call.Err
		}
	}
	return &brief{text: fmt.Sprintf("%s %s: %v", doing, to, cause), err: err}
}

// brief is an error with another text.
type brief struct {
	text string
	err  error
}

func (b *brief) Error() string { return b.text }

func (b *brief) Unwrap() error { return b.err }

func isUnreachable(err error) bool {
	for _, why := range []error{ErrUntrusted, ErrCertificateWanted, ErrPlain, ErrEncrypted} {
		if errors.Is(err, why) {
			return true
		}
	}
	return false
}

// notTLS is the text of a tls.RecordHeaderError for the first record of a connection. One later says
// nothing about how the server is addressed.
const notTLS = "first record does not look like a TLS handshake"

// malformedAlert is in the error of net/http for a response that begins like an alert of TLS: with its
// type and the version of the protocol (RFC 8446, section 5.1). The error has no type of its own.
const malformedAlert = `malformed HTTP response "\x15\x03`

// refusesCertificate reports whether the server has ended a handshake because of the certificate of
// the client.
func refusesCertificate(err error) bool {
	var op *net.OpError
	if !errors.As(err, &op) || op.Op != "remote error" {
		return false
	}
	// crypto/tls exports the texts of alerts, and not the type of those that it receives.
	for _, alert := range refusedCertificates {
		if op.Err.Error() == alert.Error() {
			return true
		}
	}
	return false
}

// wantsTLS are what servers say, with status 400, to a request without TLS at a port for TLS: those
// of Go, nginx and Apache.
var wantsTLS = [][]byte{[]byte("HTTP request to an HTTPS server"), []byte("HTTP request was sent to HTTPS port"), []byte("speaking plain HTTP to an SSL-enabled")}

// UnreachableBy is Unreachable for a response: of a server that speaks only TLS, or one that
// redirects to its address for TLS.
func UnreachableBy(res *http.Response, body []byte) error {
	if res.Request != nil && res.Request.URL.Scheme == "https" {
		return nil
	}
	if res.StatusCode == http.StatusBadRequest {
		for _, text := range wantsTLS {
			if bytes.Contains(body, text) {
				return fmt.Errorf("%w: HTTP status %d", ErrEncrypted, res.StatusCode)
			}
		}
	}
	if to := redirection(res); to != nil && to.Scheme == "https" && res.Request != nil && to.Hostname() == res.Request.URL.Hostname() {
		return fmt.Errorf("%w: HTTP status %d to %s", ErrEncrypted, res.StatusCode, to)
	}
	return nil
}

// redirection returns where a response redirects to, nil if it does not.
func redirection(res *http.Response) *url.URL {
	if res.StatusCode < http.StatusMultipleChoices || res.StatusCode >= http.StatusBadRequest {
		return nil
	}
	to, err := res.Location()
	if err != nil {
		return nil
	}
	return to
}
