// Package introspection asks an authorization server whether a token is valid (OAuth
// 2.0 Token Introspection, RFC 7662): for tokens that show nothing by themselves, and
// for those of issuers whose keys are not configured.
//
// The package guarantees:
//   - requests go only to the configured URL, over TLS except to loopback; redirects are
//     not followed, an answer is bounded in time and size, and must be JSON;
//   - a token is valid only if the answer says so now: `active` is true, it is not
//     expired and not yet to begin, it has a subject, and, where these are configured
//     or given, the right audience and issuer. What it is bound to (`cnf`) must be
//     proved as for any other token;
//   - an outage of the server never lets a token in, and never says that a token is
//     not valid: the error is auth.ErrVerifierUnavailable. After several failures in a
//     row that are not for the token the server is left alone for a while (breaker);
//   - one request is in flight for a token, and at most MaxInFlight altogether. Answers
//     are remembered, by a digest of the token, within bounds: positive ones for
//     Config.CacheFor but not beyond `exp`, negative ones for Config.RefusedFor. So a
//     token that is withdrawn can be used for up to CacheFor longer;
//   - API keys, and tokens of issuers that are known otherwise, are never sent to the
//     server. No error and no log line contains a token.
//
// The package starts no goroutine: a request is made by the first caller that needs it,
// and others wait for it.
//
// # Files
//
// A file uses those listed after it.
//
//	introspector.go  Config, Introspector: the Verifier
//	answers.go       answers that are remembered
//	answer.go        what an answer says about a token
//	request.go       one request to the server
//	shape.go         which tokens are asked about
package introspection
