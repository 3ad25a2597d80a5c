// Package client holds the JavaScript client of Sluice, for browsers, Node.js, Deno, Bun
// and React Native. The server serves it, and it is a package for npm. The folder python
// has the Python client for devices: one file, which the server serves, too, and which pip can install
// from the folder.
//
// The source is in the folder src, as ES modules without dependencies. The folder dist
// has what is served and published: sluice.js is the client in one file, and its
// companions (tabs.js, element.js, and the bindings to frameworks) are files of their
// own. These are made by esbuild, and kept in the repository, so that nobody who builds
// or runs the server needs it:
//
//	go test ./web/client -run Dist -update
//
// Types are declared in the folder types. The folder conformance has dialogues between a
// server and a client, each with what the client hands to its application: all clients of
// Sluice are tested with these.
//
// # Guarantees
//
// A subscription survives the loss of its connection: it comes back with full jitter, or
// when the server says, and goes on after the last record that it has received. No record
// is handed on twice, and those of a partition come in the order of their offsets. What is
// missing is handed on as a gap. What was received and not taken by the application is
// bounded: above the bound the client ends the subscription at the server, and goes on
// when there is room.
//
// A token is never in a URL.
//
// # Files of src
//
// A file uses the files listed after it.
//
//	tabs.js          one connection for all tabs of an origin
//	element.js       <sluice-stream>
//	react.js, vue.js, svelte.js, rxjs.js   bindings
//	sluice.js        connect, and the choice of a transport
//	publish.js       publishing, repeated where the outcome is unknown
//	subscription.js  the iterator and the handlers of an application
//	feed.js          a subscription on the wire, resumed until it makes no sense
//	socket.js        a WebSocket
//	http.js          server-sent events, pages
//	position.js      cursors, and the offsets seen since
//	wait.js          backoff, and what ends a wait early
//	fault.js         errors, and what to do about them
//
// # Files
//
//	client.go   what is served
//	package.go  the package for npm
package client
