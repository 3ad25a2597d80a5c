// Package client is the Go client of Sluice: it subscribes to streams over
// WebSocket and publishes to them over HTTP.
//
//	c, err := client.New(client.Config{URL: "https://sluice.example.com", Token: token})
//	…
//	for event, err := range c.Subscribe(ctx, client.Request{Stream: "orders"}) {
//		if err != nil {
//			return err
//		}
//		switch event := event.(type) {
//		case client.Record:
//			fmt.Printf("%s@%d %s\n", event.Key, event.Offset, event.Data)
//		case client.Gap:
//			log.Printf("%d:%d-%d is missing: %s", event.Partition, event.From, event.To, event.Reason)
//		}
//	}
//
// # Guarantees
//
// A subscription survives the loss of its connection: it reconnects by itself,
// with exponential backoff and full jitter or when the server says, and continues
// after the last record that the loop received. Within the life of a Subscription
// no record is delivered twice, the records of a partition are in the order of
// their offsets, and records that cannot be delivered are reported by a Gap
// before the records that follow. After a Gap with the reason ReasonLogChanged or
// ReasonTruncated the offsets of that partition begin again; a connection that is
// lost within the second after it can repeat records.
//
// What the server refuses or ends for now, the subscription asks for again, in the same
// connection if the wait is short. With Request.Resync, a position that has become void
// is reported by a Gap with the reason ReasonResync, and reading begins as at first.
//
// The loop ends with an error only if reconnecting makes no sense: after a
// refusal (*Error), where the server cannot be reached as it is addressed
// (ErrUntrusted, ErrCertificateWanted, ErrPlain, ErrEncrypted) and was not reached before by
// this loop, or the end of the context. A lost connection is an event, Disconnected, not an
// error.
//
// To continue after the process has ended, store Subscription.Cursor with the
// results of processing the records and pass it as Request.From; or let the
// server keep it: Request.CursorName and Subscription.Ack.
//
// A publish has one of three outcomes: no error (all in-sync replicas have the
// record), ErrNotStored (certainly not stored), or ErrMaybeStored. PublishOnce repeats a
// publish under the same ID until its outcome is known.
//
// A token is asked for with each connection and request, ahead of the expiry that the
// server has said, when the server asks for a new one, and after a refusal because it has
// expired.
//
// Dialogues in web/client/conformance show what all clients promise; its README.md names
// those that do not concern this client.
//
// # Goroutines
//
// Messages are read in the goroutine that runs the loop, between iterations: a
// slow loop body slows down the server, which drops a client that has not
// answered for half a minute; the subscription then reconnects by itself. For
// longer, use Subscription.Pause. A
// connection with a token has one more goroutine, which renews the token; it ends
// before the loop does.
//
// # Files
//
// A file uses the files listed after it. Each paragraph groups files that belong
// together.
//
//	subscription.go  the loop over connections; cursor and acks
//	publish_once.go  publishing again while the outcome is unknown
//	publish.go       publishing
//	streams.go       which streams there are
//
//	delivery.go      from a connection's messages to the loop
//	session.go       one connection, from handshake to close
//	renew.go         renewal of tokens that expire while connected
//	position.go      the position of a subscription
//	ending.go        why a connection ended, and what to do about it
//	message.go       messages on the wire
//	event.go         the events of a subscription
//
//	backoff.go       how long to wait
//	client.go        configuration, URLs, tokens
//	error.go         errors
//	reach.go         servers that cannot be reached as they are addressed
package client
