package certificates

import (
	"crypto/x509"
	"encoding/asn1"
)

// Subject names the field of a certificate that is the subject of its identity.
type Subject string

// The fields. Those of the subject alternative name are in RFC 5280 section 4.2.1.6.
const (
	CommonName Subject = "CN"
	DNSName    Subject = "SAN-DNS"
	URI        Subject = "SAN-URI"
	Email      Subject = "SAN-EMAIL"
)

// commonName is the attribute type of the common name (RFC 4519 section 2.3).
var commonName = asn1.ObjectIdentifier{2, 5, 4, 3}

// values returns the values of a field.
func (s Subject) values(of *x509.Certificate) (values []string) {
	switch s {
	case CommonName:
		// The library keeps only one of several in Subject.CommonName.
		for _, attribute := range of.Subject.Names {
			if attribute.Type.Equal(commonName) {
				text, _ := attribute.Value.(string)
				values = append(values, text)
			}
		}
	case DNSName:
		return of.DNSNames
	case URI:
		for _, uri := range of.URIs {
			values = append(values, uri.String())
		}
	case Email:
		return of.EmailAddresses
	}
	return values
}
