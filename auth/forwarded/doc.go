// Package forwarded reads who a client is from headers of a proxy that has
// authenticated the client: its subject, its claims and its certificate.
//
// Whether a request comes from a trusted proxy is decided by package transport; the
// headers of anybody else never get here. A trusted proxy must replace these headers,
// or remove them, in every request: the package cannot tell the proxy's header from one
// that a client has sent and the proxy has passed on.
//
// A header that is there twice, is empty, or has control characters is refused: it has
// passed something that did not replace it.
//
// # Files
//
// A file uses those listed after it.
//
//	forwarded.go   Config, Headers: subject and claims; the Verifier
//	certificate.go the forms of a certificate in a header
package forwarded
