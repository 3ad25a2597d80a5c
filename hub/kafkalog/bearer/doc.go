// Package bearer authenticates the client to Kafka by bearer tokens (SASL OAUTHBEARER,
// RFC 7628 and KIP-255), and keeps a token that is valid.
//
// The package guarantees:
//   - a token is renewed before it ends. While it cannot be, the one in use serves until
//     its own end, and never longer;
//   - a token comes from a [Source]: a token endpoint ([Endpoint]: the client credentials
//     grant of RFC 6749 section 4.4, KIP-768) or a file ([File]). Requests go to the
//     configured URL only, over TLS except to loopback; no redirect is followed, and an
//     answer is bounded in time and size;
//   - a token that has ended, that is not of the characters of RFC 6750 section 2.1, or
//     of another type than Bearer is refused, and counts as a failure;
//   - no error and no log line contains a token, a secret, or anything of an answer other
//     than its status and an error code of RFC 6749.
//
// [Tokens.Start] gets the first token and [Tokens.Run] renews it, in their callers'
// goroutines. The package starts no other.
//
// # Files
//
// A file uses those listed after it.
//
//	mechanism.go  Mechanism: the exchange with a broker
//	tokens.go     Config, Tokens: a token that is renewed before it ends
//	endpoint.go   Endpoint: tokens of a token endpoint
//	answer.go     what a token endpoint answers
//	file.go       File: a token in a file
//	token.go      Token, Source
package bearer
