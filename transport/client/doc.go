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
// A subscription survives the connection: it comes back by itself, with
// exponential backoff and full jitter or when the server says, and goes on
// behind the last record that the loop was given. Within the life of a
// Subscription no record is given twice, those of a partition come in the order
// of their offsets, and what cannot be delivered is told by a Gap before what
// follows it. After a Gap with the reason ReasonLogChanged or ReasonTruncated
// offsets of that partition begin anew; a connection that is lost within the
// second after it can repeat records.
//
// The loop ends with an error only where there is no sense in coming back: a
// refusal (*Error), or the end of the context. A lost connection is an event,
// Disconnected, not an error.
//
// To go on after the process has ended, store Subscription.Cursor with what was
// made of the records and hand it in as Request.From; or let the server keep
// it: Request.CursorName and Subscription.Ack.
//
// A publish has one of three outcomes: no error (all in-sync replicas have it),
// ErrNotStored (certainly not stored), or ErrMaybeStored.
//
// # Goroutines
//
// Messages are read by whoever runs the loop, in the loop: a body that takes
// long holds back the server, which lets go of a client that has not answered
// for half a minute; the subscription then comes back by itself. A connection
// whose token ends has one more goroutine, which renews it; it has ended when
// the loop has.
//
// # Files
//
// A file uses those behind it. Those of one paragraph belong together.
//
//	subscription.go  the loop over connections; cursor and acks
//	session.go       one connection, from handshake to close
//	publish.go       publishing
//
//	delivery.go      from a connection's messages to the loop
//	renew.go         tokens that end while connected
//	position.go      where a subscription is
//	event.go         what a subscription gives
//	ending.go        why a connection ended, and what to do about it
//	message.go       messages on the wire
//
//	backoff.go       how long to wait
//	client.go        configuration, URLs, tokens
//	error.go         errors
package client
