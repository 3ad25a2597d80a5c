package cloudevents

import (
	"sluice/hub/event"
	"sluice/hub/jsonscan"
	"sluice/transport/wire"
)

// The slots of the formats, behind those of package wire.
const (
	slotLines = wire.FormatSlots + iota
	slotFrames
)

// Lines is the format of event streams: one line per event.
type Lines struct{}

// Slot implements event.Format.
func (Lines) Slot() int { return slotLines }

// AppendEvent implements event.Format.
func (Lines) AppendEvent(dst, body []byte) []byte { return append(Append(dst, body), '\n') }

// AppendGap implements event.Format.
func (Lines) AppendGap(dst, body []byte) []byte { return append(AppendGap(dst, body), '\n') }

// Frames is the format of WebSockets: one text frame per event.
type Frames struct{}

// Slot implements event.Format.
func (Frames) Slot() int { return slotFrames }

// AppendEvent implements event.Format.
func (Frames) AppendEvent(dst, body []byte) []byte {
	return wire.AppendFrame(dst, wire.OpText, Append(nil, body))
}

// AppendGap implements event.Format.
func (Frames) AppendGap(dst, body []byte) []byte {
	return wire.AppendFrame(dst, wire.OpText, AppendGap(nil, body))
}

var (
	_ event.Format = Lines{}
	_ event.Format = Frames{}
)

// AppendGap appends the event of a gap.
func AppendGap(dst, body []byte) []byte {
	var stream, partition, from []byte
	for rawName, value := range jsonscan.Members(body) {
		switch string(rawName) {
		case `"stream"`:
			stream = value
		case `"partition"`:
			partition = value
		case `"from"`:
			from = value
		}
	}
	dst = append(dst, `{"specversion":"1.0","type":"sluice.gap","source":`...)
	dst = appendSource(dst, stream)
	dst = append(dst, `,"id":"gap:`...)
	dst = append(append(append(dst, partition...), ':'), from...)
	dst = append(dst, `","datacontenttype":"application/json","data":`...)
	return append(append(dst, body...), '}')
}

// AppendMessage appends the event of an answer or a control event of the server, with its
// type behind `sluice.` and itself as data. The id has to be another one for each.
func AppendMessage(dst []byte, message []byte, id string) []byte {
	dst = append(dst, `{"specversion":"1.0","type":"sluice.`...)
	for rawName, value := range jsonscan.Members(message) {
		if string(rawName) == `"type"` {
			dst = append(dst, value[1:len(value)-1]...)
			break
		}
	}
	dst = append(dst, `","source":"/v1","id":`...)
	dst = jsonscan.AppendString(dst, id)
	dst = append(dst, `,"datacontenttype":"application/json","data":`...)
	return append(append(dst, message...), '}')
}
