// Package clients holds clients of Sluice that know its protocol and none of its
// code, for tests that ask whether what is promised is kept.
//
// A Subscriber keeps one subscription alive over cuts and instances, until it
// has the record that ends each partition, and journals what it receives for
// package check: over server-sent events, NDJSON, WebSocket or pages, and
// resuming by a cursor, by what it has seen since, or under a name. A Publisher
// sends numbered records over HTTP or a WebSocket and takes the answers down.
// ReadLog and WriteEnds are plain Kafka clients.
//
// Nothing here starts a goroutine that outlives the call, but that a Publisher's
// and a Session's calls end with their context.
//
// The files: subscriber.go is a subscriber's life, resume.go where it goes on,
// receive.go what it takes down, and over_*.go one file for each transport;
// events.go and session.go are single connections, dial.go what they run over,
// message.go what comes; publisher.go, publish_http.go and publish_websocket.go
// publish; log.go reads Kafka.
package clients
