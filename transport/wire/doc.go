// Package wire is version 1 of the protocol between Sluice and its clients:
// what requests may say, what answers look like, and how both lie in WebSocket
// frames and server-sent events.
//
// It is pure: no input or output, no goroutines, no clock. What it returns
// either follows the protocol in full or is an *Error with a code of the one
// table of codes; clients' input is refused by name, never guessed at. All
// functions are safe for concurrent use.
//
// Guarantees:
//   - A published value is the client's own bytes, cut out of its message and
//     never encoded anew, so that what is validated is what is stored.
//   - Parsing is bounded in stack and memory by the size of the input, and
//     nothing of the input but field names is repeated in an error.
//   - Everything written is one line of JSON in UTF-8 without CR, LF and NUL.
//
// # Files
//
// A file uses those behind it.
//
//	publish.go    records that clients publish over HTTP
//	record.go     a record that a client publishes
//	query.go      the parameters of requests over HTTP
//
//	parser.go     a client's messages, field by field
//	reading.go    what a client asks to read
//	validate.go   rules of validator as faults
//	request.go    the messages of a WebSocket's client
//
//	message.go    the messages of the server
//	published.go  the answers to what was published
//	format.go     events in the formats that clients ask for
//	sse.go        server-sent events
//	frame.go      frames of WebSockets
//
//	shown.go      what of a client's own bytes is shown
//	fault.go      Error, and its forms
//	object.go     an object of JSON, field by field
//	code.go       the table of codes
package wire
