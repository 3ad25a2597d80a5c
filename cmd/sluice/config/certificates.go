package config

// ClientCertificates configures how the certificates of clients identify them.
type ClientCertificates struct {
	Subject string `koanf:"subject" validate:"required,oneof=CN SAN-DNS SAN-URI SAN-EMAIL" doc:"field of a client certificate that is the subject of its principal: the common name, or the one DNS name, URI or e-mail address among the subject alternative names"`
	Issuer  string `koanf:"issuer" default:"certificates" validate:"required" doc:"issuer of the principals of client certificates, which becomes their iss claim; must differ from the issuers of other credentials"`
}
