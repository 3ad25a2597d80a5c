// Package ingest is the layer between the requests of clients and the producer: a
// [Pipeline] of steps, each of which may check, change or answer records,
// followed by Kafka. All records that are published pass through it and get their
// verdicts from it, on every transport. A transport only decodes the request,
// checks its form and the right to publish, and encodes the verdicts.
//
// # Guarantees
//
//   - Every record gets exactly one verdict: stored at a partition and an offset,
//     not stored for a reason, or unknown. See [Verdict].
//   - Records of one batch, and batches that are published one after the other
//     from one goroutine, reach Kafka in that order, as long as no step changes
//     a record's key.
//   - A record that a step finds to be invalid is stored as a dead letter, if its stream
//     has these, and never in the stream. See [DeadLetters].
//   - A value that has a schema to match is checked as the bytes that are stored. See
//     [Conforms].
//   - Values are checked in turns, a few at a time: tenants have equal shares of the time, and
//     so have the principals of a tenant. See [Turns].
//   - A record with a message id passes [Stream.Once] first, or is refused: package once
//     stores it once.
//   - A batch is not atomic: the verdict for one record says nothing about the
//     others.
//
// The package starts no goroutine and waits for none. It keeps nothing of a batch
// after its last verdict; what is in flight is bounded by the producer
// (publish_memory) and by the transport (publishes_per_session).
package ingest
