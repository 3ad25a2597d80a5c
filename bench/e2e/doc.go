// Package e2e has the end-to-end tests: the real binary with real Kafka, Redis and
// Chromium, through the public interface only. None of the server's packages is
// used; package check judges what was delivered.
//
// A Subscriber of package clients keeps one subscription alive across cut
// connections and instances, and keeps a journal of what it receives; a Publisher
// records the answers to its publishes. Writers (writers_test.go) are plain Kafka
// clients, and so is the reader of the log (log_test.go).
//
// Tests with failing servers are in the files whose names begin with faults: they
// run on three brokers of their own, with writers that continue through all failures
// and subscribers that record when they receive which message
// (faults_tools_test.go).
//
// Tests with SDKs and clients of others are in the files whose names begin with foreign: their
// programs, in Java, JavaScript and Python, are in testdata and know nothing of the server
// (foreign_test.go).
//
// Promises are numbered as in the table of web/docs/guarantees.md.
//
// The flag -long makes outages last for minutes, as in production, and uses a
// million records and ten thousand sockets, where the tests are short otherwise.
//
// With SLUICE_E2E_RACE=1 the server is built with the race detector.
package e2e
