package forwarded

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"net/url"
	"strings"
)

// maxCertificateBytes bounds the header, in any of its forms.
const maxCertificateBytes = 32 << 10

var errCertificate = errors.New("not one certificate in a supported form")

// ParseCertificate parses a certificate in one of these forms:
//
//   - `:MIIB…:`, base64 of the DER between colons (RFC 9440 section 2.2, RFC 8941
//     section 3.3.5), as in Client-Cert;
//   - `-----BEGIN%20CERTIFICATE…`, PEM with URL escapes, as nginx's
//     $ssl_client_escaped_cert;
//   - `Hash=…;Cert="-----BEGIN%20…";…`, as in Envoy's X-Forwarded-Client-Cert, with
//     one element: of several it could not be told which ones are the proxy's.
//
// The chain is not verified: that is the proxy's duty.
func ParseCertificate(value string) (*x509.Certificate, error) {
	if len(value) > maxCertificateBytes {
		return nil, errors.New("the certificate is too long")
	}
	switch {
	case strings.HasPrefix(value, ":"):
		inner, ok := strings.CutSuffix(value[1:], ":")
		if !ok {
			return nil, errCertificate
		}
		der, err := base64.StdEncoding.Strict().DecodeString(inner)
		if err != nil || strings.ContainsAny(inner, "\r\n") {
			return nil, errCertificate
		}
		return parseDER(der)
	case strings.HasPrefix(value, "-----BEGIN"):
		return parsePEM(value)
	}
	escaped, ok := certOf(value)
	if !ok {
		return nil, errCertificate
	}
	return parsePEM(escaped)
}

// parsePEM parses PEM with URL escapes. A plus sign is itself, as in base64.
func parsePEM(escaped string) (*x509.Certificate, error) {
	text, err := url.PathUnescape(escaped)
	if err != nil {
		return nil, errCertificate
	}
	block, rest := pem.Decode([]byte(text))
	if block == nil || block.Type != "CERTIFICATE" || len(block.Headers) > 0 || len(bytes.TrimSpace(rest)) > 0 || !strings.HasPrefix(text, "-----BEGIN") {
		return nil, errCertificate
	}
	return parseDER(block.Bytes)
}

func parseDER(der []byte) (*x509.Certificate, error) {
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, errCertificate // the cause repeats parts of it
	}
	return certificate, nil
}

// certOf returns the value of Cert in an element of X-Forwarded-Client-Cert: pairs
// separated by semicolons, whose values can be in double quotes, in which a backslash
// escapes a quote. A second element, after a comma, is refused.
func certOf(element string) (cert string, ok bool) {
	for element != "" {
		name, rest, found := strings.Cut(element, "=")
		if !found || name == "" || strings.ContainsAny(name, `";, `) {
			return "", false
		}
		value, after, valid := pairValue(rest)
		if !valid {
			return "", false
		}
		if strings.EqualFold(name, "Cert") {
			if ok {
				return "", false
			}
			cert, ok = value, true
		}
		if after != "" {
			if after, found = strings.CutPrefix(after, ";"); !found || after == "" {
				return "", false
			}
		}
		element = after
	}
	return cert, ok
}

// pairValue returns the value at the beginning of a text, and what follows it.
func pairValue(text string) (value, after string, ok bool) {
	if !strings.HasPrefix(text, `"`) {
		end := strings.IndexAny(text, `;,"`)
		if end < 0 {
			return text, "", true
		}
		return text[:end], text[end:], text[end] == ';'
	}
	var unquoted strings.Builder
	for i := 1; i < len(text); i++ {
		switch text[i] {
		case '"':
			return unquoted.String(), text[i+1:], true
		case '\\':
			if i++; i == len(text) {
				return "", "", false
			}
		}
		unquoted.WriteByte(text[i])
	}
	return "", "", false
}
