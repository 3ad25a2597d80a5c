// Package dpop checks proofs of possession (OAuth 2.0 Demonstrating Proof of
// Possession, RFC 9449): a token that is bound to a key (`cnf` with `jkt`) is accepted
// only with a proof, signed by that key, for this one request.
//
// The package guarantees what section 4.3 of the RFC requires: a request has exactly
// one DPoP header, with one JWT of type dpop+jwt; it is signed with ES256, EdDSA or
// RS256 by the public key in its header, which is none that anybody can sign with, is
// at least 2048 bits long for RSA, and has no private part; htm, htu and ath are those
// of the request and of its token; iat is at most MaxAge ago, and the thumbprint of
// the key (RFC 7638) is the one that the token is bound to. Every jti is accepted once
// for a key, on this instance, or on all that share Replays.
//
// Proofs are remembered as digests until they are too old. There is room for
// Config.Remembered, and for a share of it per key, so that one client cannot use it
// up; when there is none the error is auth.ErrVerifierUnavailable, and nothing is
// forgotten early. A restart forgets; with Replays nothing does.
//
// Nonces of the server (section 8) are not used: they protect against proofs that are
// made in advance, for which somebody needs the client's key at some time. The window
// of MaxAge and the single use are the protection here.
//
// The package starts no goroutine.
//
// # Files
//
// A file uses those listed after it.
//
//	prover.go   Config, Prover
//	proof.go    parsing a proof and checking its signature
//	key.go      the key in a proof, and its thumbprint
//	target.go   comparing URLs
//	replays.go  proofs that were used
//	refused.go  why a proof is refused
package dpop
