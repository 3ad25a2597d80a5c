package main

import (
	"crypto/tls"
	"net/http"

	"github.com/spf13/cobra"

	"sluice/cmd/sluice/config"
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
