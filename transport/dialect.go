package transport

import (
	"sluice/hub"
	"sluice/hub/event"
	"sluice/transport/wire"
)

// dialect is how a session communicates with its client: how requests are decoded,
// how answers, events and control events are encoded and framed, and when they are
// sent. A new dialect implements this interface in a file of its own and is added to
// the server's conversations or broadcasts, where clients select it by name. Nothing
// else depends on the kind of a session.
//
// One value serves all sessions of a dialect at once, so it has no state: state is
// kept in the session. A dialect never waits and never writes to a connection; it
// appends to what the session writes.
//
// Most dialects embed conversation or broadcast, which implement the conduct of the
// dialects that are carried by a WebSocket and by the response to a request.
type dialect interface {
	// name is the name by which a client selects the dialect: the subprotocol of a
	// WebSocket (RFC 6455, section 1.9), or the media type of a response.
	name() string
	// contentType is the media type of its responses, "" for a WebSocket.
	contentType() string
	// protocol is what its sessions are counted as.
	protocol() protocol
	wording
	conduct
}

// wording is the encoding of a dialect.
//
// Everything that its methods append is whole frames, whatever a frame is to the
// client: the output of two calls can be concatenated in any order. Arguments are
// not retained, except by the request that decode returns.
type wording interface {
	// decode returns the request in a client's message. The session's reader calls
	// it, for dialects that converse. A fault that wraps jsonscan.ErrNotUTF8 ends
	// the session with close code 1007; other faults are sent to the client, with
	// the id of the request if it could be read.
	decode(message []byte, limits wire.Limits) (wire.Request, *wire.Error)
	// binary reports whether the client's messages are binary. Messages of the other
	// type end the session with close code 1003.
	binary() bool
	// format is the encoding of events and gaps. The bytes are shared by all
	// sessions of the stream whose dialects have the same format. It is called once
	// for each write and subscription.
	format() event.Format
	// codec compresses such events in blocks that all sessions share; nil if they
	// are not compressed. It is permessage-deflate for a WebSocket and the content
	// coding gzip for a response.
	codec() hub.Codec
	// appendHead appends what precedes the events of a subscription in one write,
	// which have size bytes in total. Most dialects need nothing.
	appendHead(dst []byte, size int) []byte
	// encode appends an answer or a control event. The payload can be laid out in
	// spare, which is empty and is returned as used for the next call. A message
	// that the dialect cannot express adds nothing.
	encode(dst, spare []byte, m wire.Message) (encoded, used []byte)
	// encodeClosing appends the last message of a session, with the close code and
	// the reason if the dialect has them.
	encodeClosing(dst []byte, m *wire.Closing, closeCode int, reason string) []byte
}

// conduct is what sessions of a dialect do beside delivering events. All methods but
// listen run in the session's executor.
type conduct interface {
	// converses reports whether clients send requests. If so, subscriptions have
	// ids, begin and end on request, each with a cursor of its own, and the session
	// outlives them. Otherwise the session has the subscriptions that it was opened
	// with and one cursor for all of them, and ends when the first of them ends.
	converses() bool
	// listen reads what the client sends until the reader can rest or the connection
	// has ended. It closes a connection that has ended.
	listen(s *session)
	// afterEvents follows the events of one subscription in a step, also if there
	// were none, and afterStep those of all subscriptions. They send positions to
	// the client.
	afterEvents(s *session, sub *subscription, sc *scratch)
	afterStep(s *session, sc *scratch)
	// rewound is called when the connection accepted only some of a subscription's
	// events of a write. It completes rest, the rest of the last of these. What
	// followed the events is lost.
	rewound(s *session, sub *subscription, rest []byte, now monotime) []byte
	// onTime does the work that is due, if any. nextDue is when work is due next,
	// zero for never.
	onTime(s *session, sc *scratch)
	nextDue(s *session) monotime
}

// earlier returns the earlier of two times; zero is never.
func earlier(a, b monotime) monotime {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
