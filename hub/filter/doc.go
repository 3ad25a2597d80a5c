// Package filter selects the records of a stream that a feed contains.
//
// A [Filter] is the conjunction of an optional set of record keys and any number
// of predicates. The zero Filter passes every record; a set without keys, such as
// the intersection of two disjoint sets, passes none. What a right allows and
// what a client requests are two filters, combined by [Filter.And]. A filter
// applies to records only: gaps go to every subscription.
//
// # Identity
//
// Filters are equal if their canonical bytes are, and only equal filters share a
// feed. The digest is a name for logs and events: two different filters may have
// the same digest. Predicates are identified by their canonical bytes alone. Two
// predicates whose bytes are equal must agree on every record, as either of them
// may be asked for both; code that compiles a predicate from a text therefore
// puts into the bytes everything that affects the result (the language, the text,
// the claims that were substituted into it). The order of a conjunction is part
// of its identity, see below.
//
// # Keys
//
// Keys are compared as the JSON text that an event shows, which is canonical. A
// record without a key, or with a key that is not UTF-8, has no key that a filter
// could match. Keys exist to be indexed: a matcher looks up the record's key and
// finds the filters, so that filters on other keys cost nothing for a record.
// [Filter.Keys] and [Filter.Key] return the keys for the index.
//
// # Predicates
//
// [Filter.Ask] asks a [Predicate] about a record only if the record has a key of
// the filter, and only as long as the predicates before it pass: in
// right.And(client) the client's predicates are never asked about a record that
// the right refuses, so that neither an error nor the time taken reveals anything
// about such a record.
//
// Answers are kept in [Verdicts], which belong to a run of records in memory,
// with two bits for each record and predicate. As long as the run is in memory, a
// predicate is asked at most once about each of its records, whichever
// subscriptions and filters need the answer. The record is parsed when the first
// predicate looks into it, and only once while a [View] stays at it.
//
// A predicate must
//
//   - depend only on the record, and always give the same answer;
//   - be safe for concurrent use;
//   - keep nothing of the record: it is reused for the next one;
//   - return within microseconds, whatever the record: a predicate whose cost depends
//     on data counts it, and returns an error above a bound. It must not block;
//   - return an error for a record that it cannot decide about, and not panic. The
//     error is for the operator's log: it does not quote the record.
//
// A panic is treated as an error ([ErrPanic]). A record about which a predicate
// has failed is neither passed nor left out: a subscription that reads through
// the filter ends before the record, and so fails closed, with an error, and
// without effect on others. A slow predicate delays the subscriptions that read
// the stream through predicates: appended records are evaluated by a goroutine
// that nothing else waits for. Earlier records are evaluated by the subscription
// that reads them, in turns of half a millisecond; a turn ends only when its last
// predicate returns.
//
// # Files
//
// A file uses the files listed after it.
//
//	verdicts.go   stored answers
//	filter.go     Filter: conjunction, identity
//	keys.go       sets of keys
//	predicate.go  Predicate, and how it is asked
//	record.go     a record as predicates see it, parsed lazily
package filter
