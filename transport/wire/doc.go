// Package wire implements version 1 of the protocol between Sluice and its
// clients: parsing of requests, encoding of responses, and the framing of both in
// WebSocket frames and server-sent events.
//
// It is pure: no input or output, no goroutines, no clock. What it returns either
// follows the protocol in full or is an *Error with a code of the table of codes;
// a client's input is refused with the name of what is wrong, never guessed at.
// All functions are safe for concurrent use.
//
// Guarantees:
//
//   - A published value consists of the client's own bytes, cut out of its message
//     and never encoded again, so that what is validated is what is stored.
//   - Parsing is bounded in stack and memory by the size of the input, and
//     nothing of the input but field names is repeated in an error.
//   - Everything written is one line of JSON in UTF-8 without CR, LF and NUL.
//
// # Files
//
// A file uses the files listed after it.
//
//	minting.go    requests for tokens, for development
//	operators.go  the parameters and bodies of operators' requests
//	publish.go    records that clients publish over HTTP
//	query.go      the parameters of requests over HTTP
//	revocation.go ParseRevocation: what operators revoke
//	parse.go      ParseRequest: a WebSocket client's messages
//
//	record.go     a record that a client publishes
//	messageid.go  message ids, and the header Idempotency-Key
//	names.go      how many fields a message may have, and how many records a batch
//	parser.go     a client's messages, field by field
//	request.go    the messages of a WebSocket client
//	reading.go    what a client asks to read
//	offsets.go    the offsets that a client asks to start at
//	validate.go   validator rules, reported as faults
//
//	published.go  the responses to publishes
//	message.go    the messages of the server
//	streams.go    the streams of a subscription by pattern
//	format.go     events in the formats that clients ask for
//	sse.go        server-sent events
//	frame.go      WebSocket frames
//
//	shown.go      how a client's own text is shown
//	fault.go      Error, and its forms
//	object.go     a JSON object, field by field
//	code.go       the table of codes
package wire
