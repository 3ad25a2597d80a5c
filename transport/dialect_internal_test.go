package transport

import (
	"encoding/json"
	"fmt"
	"strings"

	"sluice/hub"
	"sluice/hub/event"
	"sluice/hub/ingest"
	"sluice/hub/jsonscan"
	"sluice/transport/wire"
)

// tabs is a dialect of WebSockets that is not JSON: each message is one line of
// fields separated by tabs.
type tabs struct{ conversation }

// SpeakTabs adds the dialect tabs to a server's WebSockets, and SpeakTabLines adds
// the same to its event streams. Their formats share a slot, so a server has only
// one of them.
func (s *Server) SpeakTabs() { s.conversations = append([]dialect{tabs{}}, s.conversations...) }

// SpeakTabLines is SpeakTabs for event streams.
func (s *Server) SpeakTabLines() { s.broadcasts = append(s.broadcasts, tabLines{}) }

func (tabs) name() string         { return "tabs" }
func (tabs) format() event.Format { return tabFrameFormat{} }
func (tabs) codec() hub.Codec     { return nil }

func (tabs) appendHead(dst []byte, _ int) []byte { return dst }

func (tabs) decode(message []byte, _ wire.Limits) (wire.Request, *wire.Error) {
	f := append(strings.Split(string(message), "\t"), "", "", "", "")
	switch f[0] {
	case "subscribe":
		r := &wire.Subscribe{ID: f[1], Stream: f[2], Reading: wire.Reading{From: wire.From{Kind: wire.StartEarliest}}}
		if f[3] != "" {
			r.Keys = []string{f[3]}
		}
		if f[4] != "" {
			r.From = wire.From{Kind: wire.StartCursor, Cursor: f[4]}
		}
		return r, nil
	case "unsubscribe":
		return &wire.Unsubscribe{ID: f[1]}, nil
	case "publish":
		return &wire.Publish{ID: f[1], Stream: f[2], Messages: []ingest.Message{{Value: []byte(f[3])}}}, nil
	case "ping":
		return &wire.Ping{ID: f[1]}, nil
	case "latin":
		return nil, &wire.Error{Code: wire.BadRequest, Cause: jsonscan.ErrNotUTF8}
	}
	fault := wire.Errorf(wire.BadRequest, "unknown: %s", f[0])
	fault.ID = f[1]
	return nil, fault
}

func (tabs) encode(dst, spare []byte, m wire.Message) (encoded, used []byte) {
	if spare = appendTabs(spare, m); len(spare) == 0 {
		return dst, spare
	}
	return wire.AppendFrame(dst, wire.OpText, spare), spare
}

func (tabs) encodeClosing(dst []byte, m *wire.Closing, closeCode int, reason string) []byte {
	dst = wire.AppendFrame(dst, wire.OpText, fmt.Appendf(nil, "closing\t%s\t%d", m.Code, len(m.Cursors)))
	return wire.AppendClose(dst, closeCode, reason)
}

// appendTabs appends nothing for a message that tabs cannot express.
func appendTabs(dst []byte, m wire.Message) []byte {
	switch m := m.(type) {
	case *wire.Welcome:
		return fmt.Appendf(dst, "welcome\t%s", m.Principal)
	case *wire.Ready:
		return fmt.Appendf(dst, "ready\t%s", m.Cursor)
	case *wire.Subscribed:
		return fmt.Appendf(dst, "subscribed\t%s", m.ID)
	case *wire.CaughtUp:
		return fmt.Appendf(dst, "caught up\t%s\t%s", m.ID, m.Cursor)
	case *wire.Cursor:
		return fmt.Appendf(dst, "cursor\t%s", m.Cursor)
	case *wire.Unsubscribed:
		return fmt.Appendf(dst, "unsubscribed\t%s\t%s", m.ID, m.Reason)
	case *wire.Published:
		return fmt.Appendf(dst, "published\t%s\t%d", m.ID, m.Offset)
	case *wire.Pong:
		return fmt.Appendf(dst, "pong\t%s", m.ID)
	case *wire.Error:
		return fmt.Appendf(dst, "error\t%s\t%s", m.ID, m.Code)
	}
	return dst
}

// tabLines is tabs as the lines of a response.
type tabLines struct{ broadcast }

func (tabLines) name() string         { return "text/tab-separated-values" }
func (tabLines) contentType() string  { return "text/tab-separated-values" }
func (tabLines) protocol() protocol   { return protocolLines }
func (tabLines) format() event.Format { return tabLineFormat{} }
func (tabLines) codec() hub.Codec     { return nil }

func (tabLines) encode(dst, spare []byte, m wire.Message) (encoded, used []byte) {
	if spare = appendTabs(spare, m); len(spare) == 0 {
		return dst, spare
	}
	return append(append(dst, spare...), '\n'), spare
}

func (tabLines) encodeClosing(dst []byte, m *wire.Closing, _ int, _ string) []byte {
	return fmt.Appendf(dst, "closing\t%s\t%s\n", m.Code, m.Cursor)
}

const slotTabs = event.FormatSlots - 1

type tabFrameFormat struct{}

func (tabFrameFormat) Slot() int { return slotTabs }

func (tabFrameFormat) AppendEvent(dst, body []byte) []byte {
	return wire.AppendFrame(dst, wire.OpText, tabbed("event", body))
}

func (tabFrameFormat) AppendGap(dst, body []byte) []byte {
	return wire.AppendFrame(dst, wire.OpText, tabbed("gap", body))
}

type tabLineFormat struct{}

func (tabLineFormat) Slot() int { return slotTabs }

func (tabLineFormat) AppendEvent(dst, body []byte) []byte {
	return append(append(dst, tabbed("event", body)...), '\n')
}

func (tabLineFormat) AppendGap(dst, body []byte) []byte {
	return append(append(dst, tabbed("gap", body)...), '\n')
}

func tabbed(what string, body []byte) []byte {
	var e struct {
		Feed, Stream, Reason string
		Partition, Offset    int
		Data                 json.RawMessage
	}
	if err := json.Unmarshal(body, &e); err != nil {
		panic(err)
	}
	if e.Feed == "" {
		e.Feed = e.Stream
	}
	return fmt.Appendf(nil, "%s\t%s\t%d\t%d\t%s%s", what, e.Feed, e.Partition, e.Offset, e.Data, e.Reason)
}
