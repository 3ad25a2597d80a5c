// Package webhook asks an HTTP service of the operator who a client is and what it
// may do: on `connect` about a credential that nothing else knows, on `subscribe` and
// `publish` about what the grants allow.
//
// The package guarantees:
//
//   - It fails closed. Only the answer that web/docs/credentials.md specifies gives a
//     right; everything else (an outage, another status, a redirect, an answer that
//     is too long, malformed or has an unknown member) is no answer, and the error is
//     auth.ErrVerifierUnavailable or auth.ErrRightsUnavailable. 401 and 403 mean no.
//   - Requests go only to the configured URL, each within a timeout, and their number
//     at a time is bounded. Equal questions that are asked at the same time are one
//     request, and answers are cached for a configured time, yes and no separately, so
//     that nobody can displace the answers about others with made-up credentials.
//   - While the service fails, a circuit breaker refuses questions at once.
//   - The cache holds digests of questions, and no error and no log line contains a
//     credential or any part of one.
//
// Nothing here starts a goroutine: of the callers with an equal question, the first
// one asks, and the others wait.
//
// # Files
//
// A file uses those listed after it.
//
//	verifying.go connect: the Verifier
//	approving.go subscribe and publish
//	answer.go    the answers
//	asking.go    questions: the cache, those in flight, the circuit breaker
//	sending.go   one request
//	webhook.go   Config, Hook
//	signature.go how the server authenticates itself
//	cache.go     the cache of answers
//	outcome.go   what came of a question, for metrics
//	verdict.go   what an answer says, and the question in flight
//	strict.go    reading JSON strictly
package webhook
