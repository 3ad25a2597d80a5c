// Package clients has clients of Sluice that implement its protocol without sharing
// its code, for tests that check whether the server keeps its promises.
//
// A Subscriber keeps one subscription alive across cut connections and instances,
// until it has the record that ends each partition, and keeps a journal of what it
// receives for package check. It reads over server-sent events, NDJSON, WebSocket or
// pages, and resumes by a cursor, by a cursor with the offsets received since, or by
// a named cursor. A Publisher sends numbered records over HTTP or a WebSocket and
// records the answers; what may be stored it sends again if it has a message id. ReadLog and WriteEnds are plain Kafka clients.
//
// No goroutine outlives the call that started it, except that calls of a Publisher
// and a Session end with their context.
//
// The files: subscriber.go is the life cycle of a subscriber, resume.go the position
// that it resumes from, cursor.go what reports tell of cursors, receive.go what it
// records, and over_*.go one file for each transport; events.go and session.go are single
// connections, dial.go their network connections, message.go the messages received;
// publisher.go, publish_http.go and publish_websocket.go publish, publish_again.go what
// may be stored; log.go reads Kafka.
package clients
