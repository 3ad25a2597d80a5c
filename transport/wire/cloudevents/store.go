package cloudevents

import (
	"encoding/base64"
	"mime"
	"strings"
	"unicode/utf8"

	"sluice/hub/event"
	"sluice/hub/ingest"
	"sluice/hub/jsonscan"
	"sluice/hub/record"
	"sluice/transport/wire"
)

// Headers of records (Kafka protocol binding, section 3.2.3).
const (
	recordPrefix      = "ce_"
	recordContentType = "content-type"
)

// Record returns the record of an event: in the structured content mode of the Kafka
// protocol binding, or in the binary one. The key is the event's partitionkey. The fault is
// that of data that the mode cannot have.
//
// An event without data has an empty value in the binary mode, never none: that would be a
// tombstone, which makes Kafka forget other records.
func (e *Event) Record(structured bool) (ingest.Message, *wire.Error) {
	m := ingest.Message{ID: e.messageID(), Implied: true}
	if key := e.get(partitionKey); key != "" {
		m.Key = []byte(key)
	}
	if structured {
		text, fault := e.appendJSON(nil)
		m.Value, m.JSON = text, true
		m.Headers = []record.Header{{Name: []byte(recordContentType), Value: []byte(MediaType)}}
		return m, fault
	}
	m.Headers = append(m.Headers, header("specversion", specVersion))
	for _, a := range e.attributes {
		m.Headers = append(m.Headers, header(a.name, a.value))
	}
	kind := e.contentType
	if kind == "" && e.isJSON {
		kind = "application/json" // which the JSON event format implies
	}
	if kind != "" {
		m.Headers = append(m.Headers, record.Header{Name: []byte(recordContentType), Value: []byte(kind)})
	}
	m.Value, m.JSON = e.data, e.isJSON
	if e.data == nil {
		m.Value = []byte{}
	}
	return m, nil
}

// messageID returns the message id of the event: source and id identify it (CloudEvents,
// section 3.1.1). Neither can contain a null character, and so no client can send the same
// text as the id of another record.
func (e *Event) messageID() string { return e.get("source") + "\x00" + e.ID() }

// Records returns the records of events.
func Records(events []*Event, structured bool) ([]ingest.Message, *wire.Error) {
	messages := make([]ingest.Message, len(events))
	for i, e := range events {
		var fault *wire.Error
		if messages[i], fault = e.Record(structured); fault != nil {
			return nil, fault
		}
	}
	return messages, nil
}

func header(name, value string) record.Header {
	return record.Header{Name: []byte(recordPrefix + name), Value: []byte(value)}
}

// appendJSON appends the event in JSON: as it came, if it came as such.
func (e *Event) appendJSON(dst []byte) ([]byte, *wire.Error) {
	if e.raw != nil {
		return append(dst, e.raw...), nil
	}
	dst = append(dst, `{"specversion":"1.0"`...)
	for _, a := range e.attributes {
		dst = appendAttribute(dst, a.name, a.value)
	}
	if e.contentType != "" {
		dst = appendAttribute(dst, contentType, e.contentType)
	}
	if e.data != nil {
		switch {
		case !jsonMedia(e.contentType), e.contentType == "":
			dst = appendData(dst, e.contentType, e.data)
		case jsonscan.Check(e.data, event.MaxDataDepth) != nil:
			return nil, wire.Errorf(wire.BadRequest, "the body is not JSON, which its content type says")
		default:
			dst = append(append(dst, `,"data":`...), jsonscan.TrimSpace(e.data)...)
		}
	}
	return append(dst, '}'), nil
}

// appendAttribute appends an attribute to an object that has another one.
func appendAttribute(dst []byte, name, value string) []byte {
	dst = append(dst, ',', '"')
	dst = append(dst, name...) // of letters and digits
	return jsonscan.AppendString(append(dst, '"', ':'), value)
}

// appendData appends data that is not JSON: a text as a string, anything else in base64.
func appendData(dst []byte, mediaType string, data []byte) []byte {
	if textMedia(mediaType) && utf8.Valid(data) {
		return jsonscan.AppendString(append(dst, `,"data":`...), data)
	}
	dst = append(dst, `,"data_base64":"`...)
	return append(base64.StdEncoding.AppendEncode(dst, data), '"')
}

// textMedia reports whether data of a media type is a text in UTF-8.
func textMedia(mediaType string) bool {
	kind, params, _ := mime.ParseMediaType(mediaType)
	charset := params["charset"]
	isText := strings.HasPrefix(kind, "text/") || kind == "application/xml" || strings.HasSuffix(kind, "+xml")
	return isText && (charset == "" || strings.EqualFold(charset, "utf-8"))
}
