package main

import (
	"crypto/x509"
	"errors"
	"fmt"
	"syscall"

	"sluice/cmd/sluice/config"
	"sluice/transport/client"
)

// adviceOnNobody is what to do where nothing listens at the address of the server.
const adviceOnNobody = "is the server running, and is --server its address?"

// advised adds to an error what to do about it, where the error itself cannot know: it comes
// from a server, which does not know the flags of this program, or from the system. It does
// so once: a command that says more than the error has added it where it belongs.
func advised(err error) error {
	if _, done := errors.AsType[*advice](err); done {
		return err
	}
	if text := adviceOn(err); text != "" {
		return &advice{err: err, text: text}
	}
	return err
}

// advice is an error with what to do about it.
type advice struct {
	err  error
	text string
}

func (a *advice) Error() string { return fmt.Sprintf("%v: %s", a.err, a.text) }

func (a *advice) Unwrap() error { return a.err }

// adviceOn returns what to do about an error, "" for nothing.
func adviceOn(err error) string {
	if errors.Is(err, syscall.EADDRINUSE) {
		return "another program listens there: end it, or choose another address with --listen or --admin-listen (in dev also --kafka-listen)"
	}
	if errors.Is(err, syscall.ECONNREFUSED) {
		if errors.Is(err, errAskAdmin) {
			return "is the server running, and is --admin the address of its admin listener?"
		}
		return adviceOnNobody
	}
	if errors.Is(err, client.ErrUntrusted) {
		return adviceOnCertificate(err)
	}
	if errors.Is(err, client.ErrCertificateWanted) {
		return "give one that the server accepts with --cert-file and --key-file"
	}
	refused, ok := errors.AsType[*client.Error](err)
	if !ok {
		return ""
	}
	switch refused.Code {
	case "unauthenticated":
		return "give a token that the server accepts with --token-file, or in the variable " + config.TokenVariable
	case "unknown_stream":
		return "sluice streams lists the streams that there are for you"
	case "forbidden":
		return "sluice streams lists your rights, which come from the token of --token-file or the variable " + config.TokenVariable
	case "unknown_path":
		return "--server is the address for clients (listen), not the one for operators (admin/listen)"
	}
	return ""
}

// adviceOnCertificate returns what to do about a certificate of a server that is not trusted.
func adviceOnCertificate(err error) string {
	if _, otherName := errors.AsType[x509.HostnameError](err); otherName {
		return "use a URL with a name that the certificate has"
	}
	if invalid, ok := errors.AsType[x509.CertificateInvalidError](err); ok && invalid.Reason == x509.Expired {
		return "the server needs another certificate, or the clock of this machine is wrong"
	}
	return "if the server is yours, give the authority of its certificate with --ca-file"
}
