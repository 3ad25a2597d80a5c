// Package ingest stands between what clients publish and the producer: a
// [Pipeline] of steps, each of which may check, change or answer records, and
// behind them Kafka. Whatever door records come through, their verdicts come
// from here. A door only decodes what was sent, checks its form and the right to
// publish, and encodes the verdicts.
//
// # Guarantees
//
//   - Every record gets one verdict, exactly once: stored at a partition and an
//     offset, not stored for a reason, or unknown. See [Verdict].
//   - Records of one batch, and batches that are published one after the other
//     from one goroutine, reach Kafka in that order, as long as no step changes
//     a record's key.
//   - A batch is not atomic: a verdict on one record is none on the others.
//
// The package starts no goroutine and waits for none. It keeps nothing of a batch
// behind its last verdict; what is in flight is bounded by the producer
// (publish_memory) and by the door (publishes_per_session).
package ingest
