package transport

import (
	"crypto/rand"

	"sluice/hub"
	"sluice/hub/event"
	"sluice/hub/ingest"
	"sluice/transport/wire"
	"sluice/transport/wire/cloudevents"
)

// cloudEventStream is CloudEvents in a response, one a line: records, and the messages of
// NDJSON as events of the server.
type cloudEventStream struct{ broadcast }

func (cloudEventStream) name() string         { return cloudevents.MediaType }
func (cloudEventStream) contentType() string  { return wire.LinesType }
func (cloudEventStream) protocol() protocol   { return protocolLines }
func (cloudEventStream) format() event.Format { return cloudevents.Lines{} }
func (cloudEventStream) codec() hub.Codec     { return nil }

func (cloudEventStream) encode(dst, spare []byte, m wire.Message) (encoded, used []byte) {
	if _, converses := m.(*wire.Drain); converses {
		return dst, spare
	}
	spare = m.Append(spare)
	return append(cloudevents.AppendMessage(dst, spare, rand.Text()), '\n'), spare
}

func (cloudEventStream) encodeClosing(dst []byte, m *wire.Closing, _ int, _ string) []byte {
	return append(cloudevents.AppendMessage(dst, m.Append(nil), rand.Text()), '\n')
}

// cloudEventMessages is the WebSocket binding of CloudEvents: each message is an event in
// JSON. What the client sends is published to the stream that it has named when it
// connected.
type cloudEventMessages struct{ conversation }

func (cloudEventMessages) name() string         { return cloudevents.Subprotocol }
func (cloudEventMessages) format() event.Format { return cloudevents.Frames{} }
func (cloudEventMessages) codec() hub.Codec     { return nil }

func (cloudEventMessages) appendHead(dst []byte, _ int) []byte { return dst }

func (cloudEventMessages) decode(message []byte, limits wire.Limits) (wire.Request, *wire.Error) {
	e, fault := cloudevents.Parse(message, limits)
	if fault != nil {
		return nil, fault
	}
	return &wire.Publish{ID: e.ID(), Form: func(structured bool) ([]ingest.Message, *wire.Error) {
		return cloudevents.Records([]*cloudevents.Event{e}, structured)
	}}, nil
}

func (cloudEventMessages) encode(dst, spare []byte, m wire.Message) (encoded, used []byte) {
	spare = cloudevents.AppendMessage(spare, m.Append(nil), rand.Text())
	return wire.AppendFrame(dst, wire.OpText, spare), spare
}

func (cloudEventMessages) encodeClosing(dst []byte, m *wire.Closing, closeCode int, reason string) []byte {
	m.Close = closeCode
	dst = wire.AppendFrame(dst, wire.OpText, cloudevents.AppendMessage(nil, m.Append(nil), rand.Text()))
	return wire.AppendClose(dst, closeCode, reason)
}
