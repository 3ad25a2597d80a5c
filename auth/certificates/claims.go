package certificates

import (
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
)

// maxClaims bounds the claims of a certificate, in bytes.
const maxClaims = 4 << 10

// Claims are the attributes of a certificate that grants can have conditions on, as a
// JSON object. Empty members are left out.
type Claims struct {
	// Issuer is Config.Issuer, and Subject the subject of the identity.
	Issuer  string `json:"iss"`
	Subject string `json:"sub"`
	// IssuerDN and SubjectDN are the distinguished names (RFC 2253).
	IssuerDN  string `json:"issuer_dn"`
	SubjectDN string `json:"subject_dn"`
	// Serial is the serial number in hex, in lower case.
	Serial string `json:"serial"`
	// Fields are parts of the subject's distinguished name, /subject/ou.
	Fields Fields `json:"subject"`
	// SAN are the subject alternative names, /san/dns.
	SAN Names `json:"san"`
}

// Fields are parts of a distinguished name.
type Fields struct {
	CommonName         string   `json:"cn,omitempty"`
	Organization       []string `json:"o,omitempty"`
	OrganizationalUnit []string `json:"ou,omitempty"`
	Country            []string `json:"c,omitempty"`
	Province           []string `json:"st,omitempty"`
	Locality           []string `json:"l,omitempty"`
	SerialNumber       string   `json:"serial_number,omitempty"`
}

// Names are subject alternative names.
type Names struct {
	DNS   []string `json:"dns,omitempty"`
	URI   []string `json:"uri,omitempty"`
	Email []string `json:"email,omitempty"`
	IP    []string `json:"ip,omitempty"`
}

func claimsOf(c *x509.Certificate, issuer, subject string) ([]byte, error) {
	claims := Claims{
		Issuer: issuer, Subject: subject,
		IssuerDN: c.Issuer.String(), SubjectDN: c.Subject.String(),
		Serial: hex.EncodeToString(c.SerialNumber.Bytes()),
		Fields: Fields{
			CommonName: c.Subject.CommonName, Organization: c.Subject.Organization,
			OrganizationalUnit: c.Subject.OrganizationalUnit, Country: c.Subject.Country,
			Province: c.Subject.Province, Locality: c.Subject.Locality, SerialNumber: c.Subject.SerialNumber,
		},
		SAN: Names{DNS: c.DNSNames, URI: URI.values(c), Email: c.EmailAddresses},
	}
	for _, ip := range c.IPAddresses {
		claims.SAN.IP = append(claims.SAN.IP, ip.String())
	}
	return json.Marshal(claims)
}
