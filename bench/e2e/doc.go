// Package e2e holds the end-to-end tests: the real binary against real Kafka,
// Redis and Chromium, through the public interface only. None of the server's
// packages is used; what was delivered is judged by package check.
//
// A subscriber (subscriber_test.go) keeps one subscription alive over cuts and
// instances, and journals what it receives; it speaks through a lane, which is
// one connection, SSE (sse_test.go) or WebSocket (websocket_test.go). Writers
// (writers_test.go) are plain Kafka clients, and so is the reader of the log
// (log_test.go).
//
// What breaks servers is in the files whose names begin with faults: they run
// on three brokers of their own, with writers that go on through all of it and
// subscribers that note when they are told what (faults_tools_test.go).
//
// Promises are numbered as in the table of web/docs/guarantees.md.
//
// The flag -long lets outages last for minutes, as they do in life, and takes a
// million records and ten thousand sockets, where the tests otherwise are short.
//
// With SLUICE_E2E_RACE=1 the server is built with the race detector.
package e2e
