// Package cloudevents reads and writes CloudEvents 1.0: as clients send them over HTTP
// (in the binary and the structured content mode, and in batches) and over WebSockets, as
// records have them (the Kafka protocol binding), and as subscribers are shown them, who
// ask for CloudEvents.
//
// It implements version 1.0.2 of the specification, its JSON event format, its bindings to
// HTTP, WebSockets and Kafka, and the extension attribute partitionkey.
//
// Guarantees:
//
//   - The data of an event is the client's own bytes, and so is a structured event that is
//     stored as one: neither is encoded again. Only base64, and text in JSON strings, is
//     decoded where the data is stored by itself.
//   - An event that was stored is shown with the same attributes and data, in whichever
//     mode it is stored.
//   - What is not a valid event is refused with the name of what is wrong, never guessed
//     at.
//
// All functions are safe for concurrent use.
//
// # Files
//
// A file uses the files listed after it.
//
//	headers.go     events in the headers of an HTTP request
//	format.go      records as events, in the formats of subscribers
//	show.go        records as events
//	structured.go  events in JSON
//	store.go       events as records
//	event.go       an event and its attributes
package cloudevents
