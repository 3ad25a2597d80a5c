package restproxy

import (
	"strconv"
	"time"

	"sluice/hub/ingest"
	"sluice/hub/jsonscan"
	"sluice/hub/record"
	"sluice/hub/upstream"
	"sluice/transport/wire"
)

// MediaType3 is the media type of version 3.
const MediaType3 = "application/json"

// Parse3 parses a record of version 3. The message aliases b. sizes is what the delivery
// report says about the key and the value, and declared what the record says about the schema
// of the value.
//
// The error's code is TooLarge, ReservedHeader or BadRequest.
func Parse3(b []byte, limits wire.Limits) (m ingest.Message, sizes string, declared Declared, fault *wire.Error) {
	if fault := wire.CheckJSON(b, limits); fault != nil {
		return m, "", declared, fault
	}
	r := &reader{}
	var key, value string
	r.fields("", jsonscan.TrimSpace(b), func(name, at string, raw []byte) bool {
		switch name {
		case "partition_id":
			r.without(at, raw, "cannot be chosen: the partition follows from the key")
		case "headers":
			m.Headers = r.headers(at, raw)
		case "key":
			m.Key, key, _ = r.part(at, raw, nil)
			if key == typeJSON && m.Key != nil {
				m.Key = compact(m.Key)
			}
		case "value":
			m.Value, value, m.JSON = r.part(at, raw, &declared)
		case "timestamp":
			m.Timestamp = r.time(at, raw)
		case "original_size":
		default:
			return false
		}
		return true
	})
	if r.fault != nil {
		return m, "", declared, r.fault
	}
	return m, appendSizes(key, len(m.Key), value, len(m.Value)), declared, nil
}

// The types of data.
const (
	typeBinary = "BINARY"
	typeJSON   = "JSON"
	typeString = "STRING"
)

// part reads a key or a value. Null data, or none, is null. A key has no schema.
func (r *reader) part(pointer string, raw []byte, declared *Declared) (b []byte, kind string, isJSON bool) {
	if isNull(raw) {
		return nil, "", false
	}
	var data []byte
	var given Declared
	r.fields(pointer, raw, func(name, at string, value []byte) bool {
		switch name {
		case "type":
			kind = r.text(at, value)
		case "data":
			data = value
		default:
			return r.declare(&given, name, at, value)
		}
		return true
	})
	if r.fault != nil {
		return nil, "", false
	}
	switch kind {
	case typeBinary, typeJSON, typeString:
		if given.Given() {
			r.refuse(given.at, "has no effect on the type "+kind)
		}
	case typeAvro, typeJSONSchema, typeProtobuf, "":
		switch {
		case declared == nil:
			r.refuse(pointer+"/type", "must be one of: BINARY, JSON, STRING, as keys have no schema")
		case kind == "" && !given.Given():
			r.refuse(pointer+"/type", "must be one of: BINARY, JSON, STRING, AVRO, JSONSCHEMA, PROTOBUF")
		}
		if given.kind = kind; given.at == "" {
			given.at = pointer + "/type"
		}
	default:
		r.refuse(pointer+"/type", "must be one of: BINARY, JSON, STRING, AVRO, JSONSCHEMA, PROTOBUF")
	}
	if r.fault != nil {
		return nil, "", false
	}
	if declared != nil {
		*declared = given
	}
	switch {
	case data == nil || isNull(data):
		return nil, kind, false
	case kind == typeBinary:
		return r.base64(pointer+"/data", data), kind, false
	case kind == typeString:
		return []byte(r.text(pointer+"/data", data)), kind, false
	}
	return data, kind, true
}

func (r *reader) headers(pointer string, raw []byte) (all []record.Header) {
	if isNull(raw) {
		return nil
	}
	if raw[0] != '[' {
		r.refuse(pointer, "must be an array")
		return nil
	}
	for element := range jsonscan.Elements(raw) {
		at := pointer + "/" + strconv.Itoa(len(all))
		var h record.Header
		r.fields(at, element, func(name, at string, value []byte) bool {
			switch name {
			case "name":
				h.Name = []byte(r.text(at, value))
			case "value":
				if !isNull(value) {
					h.Value = r.base64(at, value)
				}
			default:
				return false
			}
			return true
		})
		if h.Name == nil {
			r.refuse(at+"/name", "is required")
		}
		if ingest.ReservedHeader(string(h.Name)) && r.fault == nil {
			r.refuse(at+"/name", "is a name that is reserved for the server ("+ingest.ReservedHeaderPrefix+"…)")
			r.fault.Code = wire.ReservedHeader
		}
		all = append(all, h)
	}
	return all
}

func (r *reader) time(pointer string, raw []byte) int64 {
	if isNull(raw) {
		return 0
	}
	at, err := time.Parse(time.RFC3339Nano, r.text(pointer, raw))
	if err != nil || at.UnixMilli() < 1 {
		r.refuse(pointer, "must be a time (RFC 3339) after 1970")
		return 0
	}
	return at.UnixMilli()
}

func appendSizes(key string, keySize int, value string, valueSize int) string {
	var b []byte
	for _, part := range []struct {
		name, kind string
		size       int
	}{{"key", key, keySize}, {"value", value, valueSize}} {
		if part.kind == "" {
			continue
		}
		b = append(b, `,"`...)
		b = append(b, part.name...)
		b = append(b, `":{"type":"`...)
		b = append(b, part.kind...)
		b = append(b, `","size":`...)
		b = append(strconv.AppendInt(b, int64(part.size), 10), '}')
	}
	return string(b)
}

// AppendReport appends the delivery report of a record that is stored.
func AppendReport(dst []byte, cluster, topic, sizes string, stored upstream.Stored) []byte {
	dst = append(dst, `{"error_code":200,"cluster_id":`...)
	dst = jsonscan.AppendString(dst, cluster)
	dst = append(dst, `,"topic_name":`...)
	dst = jsonscan.AppendString(dst, topic)
	dst = append(dst, `,"partition_id":`...)
	dst = strconv.AppendInt(dst, int64(stored.Partition), 10)
	dst = append(dst, `,"offset":`...)
	dst = strconv.AppendInt(dst, stored.Offset, 10)
	if stored.Timestamp >= 0 {
		dst = append(dst, `,"timestamp":"`...)
		dst = append(time.UnixMilli(stored.Timestamp).UTC().AppendFormat(dst, "2006-01-02T15:04:05.000Z07:00"), '"')
	}
	return append(append(dst, sizes...), '}')
}
