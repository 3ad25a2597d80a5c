package transport

import (
	"sluice/hub"
	"sluice/hub/event"
	"sluice/transport/wire"
)

// dialect is how a session speaks with its client: how requests are decoded, how
// answers, events and control events are encoded and framed, and when what is
// said. Whoever adds a way to speak implements it, in a file of its own, and
// adds it to the server's conversations or broadcasts, where clients ask for it
// by its name. Nothing else asks what kind a session is.
//
// One value serves all sessions of a dialect at once, so it has no state: what
// is to be remembered of a session stands in the session. A dialect never waits
// and never writes to a connection; it appends to what the session writes.
//
// Most dialects embed conversation or broadcast, which are the conduct of those
// that are carried by a WebSocket and by the response to a request.
type dialect interface {
	// name is what a client asks for the dialect by: the subprotocol of a
	// WebSocket (RFC 6455, section 1.9), or the media type of a response.
	name() string
	// protocol is what its sessions count as.
	protocol() protocol
	wording
	conduct
}

// wording is the bytes of a dialect.
//
// All that it appends is whole frames, whatever a frame is to the client: what
// two calls have appended can stand one behind the other, in any order. Nothing
// is kept of what is passed in, but by the request that decode returns.
type wording interface {
	// decode gives the request that a message of the client is. It is called by
	// the session's reader, for dialects that converse. A fault that wraps
	// jsonscan.ErrNotUTF8 ends the session with close code 1007; others are
	// told, with the id of the request where it could be read.
	decode(message []byte, limits wire.Limits) (wire.Request, *wire.Error)
	// binary reports whether the client's messages are binary ones. Those of the
	// other type end the session with close code 1003.
	binary() bool
	// format is how events and gaps are laid out. The bytes are shared by all
	// sessions of the stream whose dialects have the same format. It is called
	// once for each write and subscription.
	format() event.Format
	// codec is how such events are compressed in blocks that all sessions share;
	// nil where they are not. For a WebSocket that is permessage-deflate, for a
	// response the content coding gzip.
	codec() hub.Codec
	// appendHead appends what goes in front of the events that a subscription
	// has in one write, which have so many bytes together. Most need nothing.
	appendHead(dst []byte, size int) []byte
	// encode appends an answer or a control event. The payload can be laid out
	// in spare, which is empty, and is given back as used for the next. What the
	// dialect has no words for adds nothing.
	encode(dst, spare []byte, m wire.Message) (encoded, used []byte)
	// encodeClosing appends the last that a session says, with the close code
	// and the reason that go with it where there is such a thing.
	encodeClosing(dst []byte, m *wire.Closing, closeCode int, reason string) []byte
}

// conduct is what sessions of a dialect do beside delivering events. But for
// listen, the methods run in the session's executor.
type conduct interface {
	// converses reports whether clients send requests. If so, subscriptions have
	// ids, begin and end as requested, each with a cursor of its own, and the
	// session outlives them. Otherwise the session has those that it was opened
	// with, and one cursor for all of them, and ends with the first that does.
	converses() bool
	// listen reads what the client sends until the reader can rest, or the
	// connection has ended, which it then closes.
	listen(s *session)
	// afterEvents follows what a subscription had for a step, also nothing, and
	// afterStep what all had. They tell the client positions.
	afterEvents(s *session, sub *subscription, sc *scratch)
	afterStep(s *session, sc *scratch)
	// rewound is told that of a subscription's events of a write only some were
	// taken by the connection, and completes the rest of the last of them. What
	// was said behind them is lost.
	rewound(s *session, sub *subscription, rest []byte, now monotime) []byte
	// onTime does what is due, which may be nothing. nextDue is when something
	// is, zero for never.
	onTime(s *session, sc *scratch)
	nextDue(s *session) monotime
}

// earlier is the earlier of two times, of which zero is never.
func earlier(a, b monotime) monotime {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
