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
// Tour: code.go has the table of codes, fault.go the Error and its forms.
// request.go reads WebSocket messages with parser.go, scan.go and
// validate.go; reading.go
// and query.go the reading parameters; record.go and publish.go what clients
// publish. message.go and published.go write the server's messages with
// object.go. frame.go and sse.go lay the framing around them.
package wire
