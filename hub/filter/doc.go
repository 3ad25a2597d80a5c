// Package filter selects the records of a stream that a feed contains.
//
// A [Filter] is the conjunction of an optional set of record keys, any number of
// sets of the values of a field, and any number of predicates. The zero Filter
// passes every record; an empty set, such as the intersection of two disjoint
// sets, passes none. What a right allows and what a client requests are two
// filters, combined by [Filter.And]. A filter applies to records only: gaps go to
// every subscription.
//
// # Identity
//
// Filters are equal if their canonical bytes are, and only equal filters share a
// feed. The digest, made with a secret, is a name for logs and events: two different filters
// may have the same digest. Predicates are identified by their canonical bytes alone. Two
// predicates whose bytes are equal must agree on every record, as either of them
// may be asked for both; code that compiles a predicate from a text therefore
// puts into the bytes everything that affects the result (the language, the text,
// the claims that were substituted into it). The order of the predicates in a
// conjunction is part of its identity, see below; that of sets is not.
//
// # Keys
//
// Keys are compared as the JSON text that an event shows, which is canonical. A
// record without a key, or with a key that is not UTF-8, has no key that a filter
// could match. Keys exist to be indexed: a matcher looks up the record's key and
// finds the filters, so that filters on other keys cost nothing for a record.
// [Filter.Keys] and [Filter.Key] return the keys for the index.
//
// # Fields
//
// A [Field] is a header, or a member of the record's value, such as user in
// {"user":"u17"}. [In] passes the records whose field is one of some JSON scalars.
// Types are distinguished: "1" and 1 differ, and so do null and a field that a
// record does not have, which is like no value. Numbers are equal if their float64
// are. Objects and arrays equal nothing.
//
// Like keys, field values exist to be indexed. [Fields] finds for a record the
// values of all fields that any filter uses, in one walk through the record, so
// that a matcher can look each of them up and filters on other values cost
// nothing. A filter with several sets is found by one of them, and [Filter.Ask]
// checks the others.
//
// # Redactions
//
// [Redacted] makes a client's filter one on what remains of a record under a redaction: it
// passes the same records whatever is hidden from the client. A right's filter looks at
// whole records. Filters of the same text under two redactions differ where they look at
// what one of these hides.
//
// # Predicates
//
// [Filter.Ask] asks a [Predicate] about a record only if the record has a key of
// the filter and a value of each field set, and only as long as the predicates
// before it pass: in right.And(client) the client's predicates are never asked
// about a record that the right refuses, so that neither an error nor the time
// taken reveals anything about such a record.
//
// Sets come before all predicates, whichever part they are from. They never fail,
// and checking them takes nanoseconds, but a set of the client's may keep the
// right's predicates from being asked. What a right's predicate does on a record must
// therefore not be seen by its client: [Denying] makes a predicate that fails one that
// does not pass the record.
//
// Answers are kept in [Verdicts], which belong to a run of records in memory,
// with two bits for each record and predicate. As long as the run is in memory, a
// predicate is asked at most once about each of its records, whichever
// subscriptions and filters need the answer; only one that seems costly is asked about
// some records once more, to measure it. Field sets have no answers that are
// kept: checking them again is cheap, and there may be ten thousand of them. The
// record is parsed when the first field set or predicate looks into it, and only
// once while a [View] stays at it.
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
// without effect on others. How long a predicate takes delays those who read
// through it, and the other filters of the same principals: a predicate that is
// not known to be quick is evaluated in turns of about a millisecond, which
// principals have alike. One that takes less than some 20 µs a record, on average,
// is evaluated with others on appended records, and on earlier records by the
// subscription that reads them.
//
// # Files
//
// A file uses the files listed after it.
//
//	redacted.go   filters on what remains of a record under a redaction
//	denying.go    filters that do not pass what they cannot decide about
//	any.go        filters and predicates that are made of others
//	passes.go     asking a filter about a single record
//	verdicts.go   stored answers
//	filter.go     Filter: conjunction, identity
//	keys.go       sets of keys
//	predicate.go  Predicate, and how it is asked
//	fieldset.go   sets of the values of a field
//	fields.go     finding the fields of a record that filters use
//	record.go     a record as predicates and field sets see it, parsed lazily
//	value.go      Value: JSON scalars, and when they are equal
//	field.go      Field: a header, or a path in the value
package filter
