package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"

	"github.com/spf13/cobra"

	"sluice/cmd/sluice/config"
	"sluice/transport/client"
)

// trust is the values of the flags for TLS.
type trust struct{ caFile, certFile, keyFile string }

func (t *trust) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&t.caFile, "ca-file", "", "`file` of the certificate authorities that the server's certificate may be of, PEM; default are those of the system")
	flags.StringVar(&t.certFile, "cert-file", "", "`file` of a client certificate, PEM, for a server that wants one")
	flags.StringVar(&t.keyFile, "key-file", "", "`file` of the key of --cert-file, PEM")
	for _, name := range []string{"ca-file", "cert-file", "key-file"} {
		_ = cmd.MarkFlagFilename(name)
	}
}

// config returns how to verify a server, and to be verified, nil for the defaults.
func (t trust) config() (*tls.Config, error) {
	if t == (trust{}) {
		return nil, nil
	}
	if (t.certFile == "") != (t.keyFile == "") {
		return nil, usage("--cert-file and --key-file go together")
	}
	loaded, err := (&config.ClientTLS{CAFile: config.Path(t.caFile), CertFile: config.Path(t.certFile), KeyFile: config.Path(t.keyFile)}).Load()
	if err != nil {
		return nil, usage("%w", err)
	}
	return loaded, nil
}

// transport returns what makes connections.
func (t trust) transport() (*http.Transport, error) {
	verified, err := t.config()
	if err != nil {
		return nil, err
	}
	made := http.DefaultTransport.(*http.Transport).Clone()
	made.MaxIdleConnsPerHost = maxConcurrency
	if verified != nil {
		made.TLSClientConfig = verified
	}
	return made, nil
}

// cure says what to do about a server that cannot be reached as it is addressed, "" about other
// errors.
func cure(err error) string {
	var (
		name    x509.HostnameError
		invalid x509.CertificateInvalidError
	)
	switch {
	case errors.Is(err, client.ErrUntrusted) && errors.As(err, &name):
		return "use a URL with a name that the certificate has"
	case errors.Is(err, client.ErrUntrusted) && errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "the server needs another certificate, or the clock of this machine is wrong"
	case errors.Is(err, client.ErrUntrusted):
		return "if the server is yours, give the authority of its certificate with --ca-file"
	case errors.Is(err, client.ErrCertificateWanted):
		return "give one that the server accepts with --cert-file and --key-file"
	}
	// The others say it themselves.
	return ""
}

// cured is the text of an error, with what to do about it.
func cured(err error) string {
	if what := cure(err); what != "" {
		return fmt.Sprintf("%v: %s", err, what)
	}
	return err.Error()
}
