// Package certificates identifies clients by the certificates of their connections
// (mutual TLS), as devices have them.
//
// The TLS listener verifies the certificate against its certificate authorities, its
// dates and its purpose; this package only decides whose it is. So every certificate
// of those authorities is a credential: use an authority that issues nothing else, or
// grants with conditions on the claims.
//
// The package guarantees:
//   - the subject comes from one field, which Config.Subject names, and which has
//     exactly one value in the certificate: a certificate with two common names or two
//     DNS names is refused, not read in one of two ways;
//   - the identity ends with the certificate. Its TokenID is the SHA-256 thumbprint, as
//     in RFC 8705 section 3.1, by which a single certificate can be revoked;
//   - a certificate without the field is refused, and never identifies by another one.
//
// The claims that grants are matched against are listed at Claims.
//
// # Files
//
// A file uses those listed after it.
//
//	verifier.go  Config, Verifier
//	claims.go    Claims of a certificate
//	subject.go   the field that identifies
package certificates
