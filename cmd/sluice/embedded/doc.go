// Package embedded is the Kafka and the Redis that `sluice dev` carries in its
// own process, and the demo streams that live in them. It is for development
// and tests: both servers are fakes (kfake, miniredis), listen on loopback
// only, have no authentication, and keep what they hold in memory unless there
// is a data folder.
//
// # Guarantees
//
// Memory stays flat: every partition is bounded in bytes, old records go every
// two seconds, compacted topics are compacted every fifteen. Redis keys run
// out by a one-second clock.
//
// With Config.DataDir, topics with their ids, records, offsets and Redis keys
// outlast a restart; after a crash the last seconds of Redis may be missing.
// One process at a time can use a folder.
//
// Demo streams are synthetic and a function of the seed and the time: the same
// seed and rate give the same records at the same moment, in every process. A
// stream begins with Config.History behind it. In a folder that already holds
// records only what is missing up to now is written, at most Config.History of
// it.
//
// # Goroutines
//
// Start starts the servers, which have goroutines of their own; Close ends
// them. Run starts one goroutine a stream and one for each clock, and returns
// when all have ended and the servers are closed.
//
// # Files
//
//	embedded.go   Config, Start, Run, Close
//	kafka.go      the Kafka, its topics, retention
//	redis.go      the Redis, its clock
//	snapshot.go   Redis keys in a file
//	lock*.go      one process a folder
//	demo.go       the list of demo streams
//	writer.go     from generator to Kafka, past and present
//	random.go     repeatable chance, and rotas
//	wiki.go, market.go, telemetry.go, flights.go, orders.go: a stream each
//	places.go     cities that several of them use
package embedded
