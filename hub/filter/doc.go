// Package filter says which records of a stream a feed has.
//
// A [Filter] is the conjunction of an optional set of record keys and of any
// number of predicates. The zero Filter passes every record; a set without keys,
// such as the intersection of two that have none in common, passes none. What a
// right allows and what a client asks for are two filters, joined by [Filter.And].
// A filter decides about records only: gaps are for everybody.
//
// # Identity
//
// Filters are equal if their canonical bytes are, and only equal filters share a
// feed. The digest is a name for logs and events: two filters may have the same one.
// Predicates are known by their canonical bytes alone. Two predicates whose bytes
// are equal must agree on every record, as either of them may be asked for both;
// whoever compiles a predicate from a text therefore puts all into the bytes that
// decides (the language, the text, the claims that were put into it). The order of
// a conjunction is part of its identity, see below.
//
// # Keys
//
// Keys are compared as the JSON text that an event shows them as, which is
// canonical. A record without a key, or with one that is not UTF-8, has none that a
// filter could ask for. Keys are there to be indexed: whoever matches looks up the
// record's key and finds the filters, so that a filter of another key costs a record
// nothing. [Filter.Keys] gives them to the index.
//
// # Predicates
//
// A [Predicate] is asked about a record by [Filter.Ask], only if the record has a
// key of the filter, and only as long as the predicates in front of it pass: of
// right.And(client) the client's predicates are never asked about a record that
// the right refuses, so that neither an error nor the time it takes tells of one.
//
// Answers are kept in [Verdicts], which belong to a run of records in memory, two
// bits a record and predicate. As long as the run is there a predicate is asked at
// most once about each of its records, whoever wants to know and in whichever
// filters the predicate is. The record is parsed when the first predicate looks into
// it, and only once while a [View] stays at it.
//
// A predicate must
//
//   - depend on nothing but the record, and give the same answer at any time;
//   - be safe for concurrent use;
//   - keep nothing of the record: it is used again for the next one;
//   - return within microseconds, whatever the record: one with a cost that depends
//     on data counts it, and returns an error above a bound. It must not block;
//   - return an error for a record that it cannot decide about, and not panic. The
//     error is for the operator's log: it does not quote the record.
//
// A panic is taken for an error ([ErrPanic]). A record about which a predicate has
// failed is neither passed nor left out: whoever reads through the filter ends in
// front of it, and so fails closed and aloud, alone. A slow predicate delays
// those who read the stream through predicates: what is appended is asked about by a
// goroutine that nobody else waits for. What precedes is asked about by whoever reads
// it, in turns of half a millisecond; the last predicate of a turn is waited for.
//
// # Files
//
// A file uses those behind it.
//
//	verdicts.go   answers that are kept
//	filter.go     Filter: conjunction, identity
//	keys.go       sets of keys
//	predicate.go  Predicate, and how it is asked
//	record.go     a record as predicates see it, parsed lazily
package filter
