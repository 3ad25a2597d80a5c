// Package certificates keeps the certificates of the listener for clients: those in
// files, the authorities of clients' certificates, and those that an ACME server
// issues (RFC 8555).
//
// The package guarantees:
//
//   - Files that change are loaded again while the server runs. Those that cannot be
//     loaded change nothing: what was loaded before stays in force, and the fault is
//     logged once.
//   - A handshake sees one snapshot of all files, and never waits for a file or for an
//     ACME server. Connections keep what they began with.
//   - Certificates are requested for the configured domains only, one domain at a
//     time, and less often after each failure.
//   - A client certificate of an authority that has been removed is refused at the
//     next handshake, resumed ones included.
//
// A Source starts no goroutine; Run does all that waits.
//
// Tour: source.go is Source and its snapshots; watched.go loads files that change;
// files.go reads pairs and authorities; issued.go obtains certificates by ACME, and
// issuer.go bounds the requests for that.
package certificates
