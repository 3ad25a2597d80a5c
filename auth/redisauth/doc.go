// Package redisauth keeps in Redis what all instances must agree on about credentials:
// tickets and revocations. Redis is a single server, a server behind Sentinel, or a
// Cluster, version 6.2 or later.
//
// # Data
//
//	<prefix>ticket:<sum>         a ticket's identity as JSON, until the ticket expires.
//	                             The sum is the ticket's SHA-256 in hexadecimal digits
//	<prefix>tickets:<sum>:<n>    how many tickets a principal was given in a period.
//	                             The sum is that of the principal's key
//	<prefix>{revocations}:added  a sorted set of revocations as JSON, each with the time
//	                             at which it was added, in microseconds, as its score
//	<prefix>{revocations}:ends   the same revocations, each with the time at which it
//	                             ends, in milliseconds, as its score
//
// A revocation is also published on the channel <prefix>revoked. Nothing in Redis is a
// ticket or a token, so that it is of no use to those who can read it. It has the
// claims, the subjects and the ids of tokens.
//
// # Guarantees
//
//   - A ticket works once, on whichever instance: GETDEL takes it.
//   - A revocation is in force on this instance before Save returns, and on the others
//     as soon as they receive the message or, without it, poll: within Poll, and the
//     time of a round trip.
//   - A message that is lost, and an instance that was disconnected, are made good by
//     polling. A poll asks for what was added since the newest revocation known,
//     minus a minute, because the clocks of two Redis servers differ.
//   - A revocation that cannot be saved, and one that Redis has lost, is saved again by
//     the instances that have it.
//
// # While Redis is unavailable
//
// Calls are tried once, with Config.Timeout for the whole call. After three failures in
// a row, a circuit breaker fails calls at once with auth.ErrStoreUnavailable, and lets
// one call per second through as a probe. Tickets are then neither made nor accepted,
// and revocations are in force only on the instances that have received them.
//
// # Goroutines
//
// New starts none. Revocations.Run starts one that listens, and waits for it. Close ends
// the goroutines and connections of go-redis.
//
// # Files
//
// A file uses the files listed after it.
//
//	tickets.go      Tickets: making and accepting them
//	revocations.go  Revocations: saving, loading and polling them
//	listen.go       messages about revocations
//	encode.go       revocations and identities as JSON
//	connection.go   Config, New, calling Redis
package redisauth
