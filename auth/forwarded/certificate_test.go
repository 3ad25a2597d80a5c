package forwarded_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"math/big"
	"net/url"
	"strings"
	"sync"
	"testing"

	"sluice/auth/forwarded"
)

var der = sync.OnceValue(func() []byte {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "device-7"}}
	made, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		panic(err)
	}
	return made
})

// TestParseCertificate: the forms of RFC 9440, nginx and Envoy, and what resembles
// them.
func TestParseCertificate(t *testing.T) {
	t.Parallel()
	b64 := base64.StdEncoding.EncodeToString(der())
	text := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der()}))
	nginx := strings.ReplaceAll(url.QueryEscape(text), "+", "%20")
	half := url.PathEscape(text) // a plus sign stays
	key := url.PathEscape(strings.ReplaceAll(text, "CERTIFICATE", "PRIVATE KEY"))
	for name, c := range map[string]struct {
		value string
		want  bool
	}{
		"RFC 9440":            {":" + b64 + ":", true},
		"nginx":               {nginx, true},
		"nginx, plus as such": {half, true},
		"Envoy":               {`Hash=abc;Cert="` + nginx + `";Subject="CN=device-7,O=\"x;y\"";URI=spiffe://a;DNS=b`, true},
		"Envoy, first":        {`Cert="` + nginx + `"`, true},
		"Envoy, lower case":   {`cert="` + nginx + `"`, true},
		"Envoy, bare":         {`Cert=` + nginx, true},
		"Envoy, empty value":  {`By=;Cert="` + nginx + `";URI=`, true},

		"empty":                  {"", false},
		"colons":                 {"::", false},
		"colon":                  {":", false},
		"no colon at the end":    {":" + b64, false},
		"base64 alone":           {b64, false},
		"base64url":              {":" + base64.RawURLEncoding.EncodeToString(der()) + ":", false},
		"without padding":        {":" + strings.TrimRight(b64, "=") + "A:", false},
		"parameters":             {":" + b64 + ":;a=b", false},
		"two items":              {":" + b64 + ":, :" + b64 + ":", false},
		"line break":             {":" + b64[:8] + "\n" + b64[8:] + ":", false},
		"other DER":              {":" + base64.StdEncoding.EncodeToString([]byte("x")) + ":", false},
		"DER and more":           {":" + base64.StdEncoding.EncodeToString(append(bytes.Clone(der()), 0)) + ":", false},
		"two DER":                {":" + base64.StdEncoding.EncodeToString(append(bytes.Clone(der()), der()...)) + ":", false},
		"PEM, two":               {nginx + nginx, false},
		"PEM, text before":       {"x" + nginx, false},
		"PEM, text after":        {nginx + "x", false},
		"PEM, cut":               {nginx[:200], false},
		"PEM, bad escape":        {nginx + "%zz", false},
		"PEM of a key":           {key, false},
		"Envoy, two elements":    {`Cert="` + nginx + `",Hash=a`, false},
		"Envoy, two, Cert later": {`Hash=a,Cert="` + nginx + `"`, false},
		"Envoy, two Certs":       {`Cert="` + nginx + `";Cert="` + nginx + `"`, false},
		"Envoy, no Cert":         {`Hash=abc;Subject="CN=a"`, false},
		"Envoy, Cert in a value": {`Subject="CN=a;Cert=` + nginx + `"`, false},
		"Envoy, open quote":      {`Cert="` + nginx, false},
		"Envoy, open escape":     {`Subject="\`, false},
		"Envoy, trailing":        {`Cert="` + nginx + `";`, false},
		"Envoy, after the quote": {`Cert="` + nginx + `"x`, false},
		"too long":               {":" + strings.Repeat("A", 40<<10) + ":", false},
	} {
		got, err := forwarded.ParseCertificate(c.value)
		switch {
		case (err == nil) != c.want:
			t.Errorf("%s: %v", name, err)
		case c.want && !bytes.Equal(got.Raw, der()):
			t.Errorf("%s: another certificate", name)
		case err != nil && len(err.Error()) > 60:
			t.Errorf("%s: the error says too much: %v", name, err)
		}
	}
}

func FuzzParseCertificate(f *testing.F) {
	b64 := base64.StdEncoding.EncodeToString(der())
	escaped := url.PathEscape(string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der()})))
	for _, seed := range []string{":" + b64 + ":", escaped, `Hash=a;Cert="` + escaped + `";Subject="\"";URI=`, `a="\`, `=`, ";", `Cert=;Cert=`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		certificate, err := forwarded.ParseCertificate(value)
		if (certificate == nil) != (err != nil) {
			t.Errorf("%q: %v, %v", value, certificate, err)
		}
		if certificate != nil && len(certificate.Raw) > len(value) {
			t.Errorf("%q became %d bytes", value, len(certificate.Raw))
		}
	})
}
