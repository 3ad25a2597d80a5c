package restproxy

import (
	"mime"
	"net/http"
	"strconv"

	"sluice/hub/ingest"
	"sluice/hub/jsonscan"
	"sluice/hub/upstream"
	"sluice/transport/wire"
)

// MediaType2 is the media type of the answers of version 2.
const MediaType2 = "application/vnd.kafka.v2+json"

// Embedded tells from the content type of a request of version 2 how its keys and values are
// embedded: as JSON, or in base64.
func Embedded(contentType string) (isJSON bool, fault *wire.Error) {
	kind, _, err := mime.ParseMediaType(contentType)
	const message = "the content type must be application/vnd.kafka.json.v2+json or application/vnd.kafka.binary.v2+json, or that of the schemas of the stream"
	if err == nil {
		switch kind {
		case "application/vnd.kafka.json.v2+json":
			return true, nil
		case "application/vnd.kafka.binary.v2+json", MediaType2, "application/vnd.kafka+json", "application/json":
			return false, nil
		}
	}
	return false, &wire.Error{Code: wire.BadRequest, HTTPStatus: http.StatusUnsupportedMediaType, Message: message}
}

// Parse2 parses the records of a request of version 2. The messages alias b.
//
// The error's code is TooLarge or BadRequest.
func Parse2(b []byte, isJSON bool, limits wire.Limits) ([]ingest.Message, *wire.Error) {
	return parse2(b, isJSON, limits, nil)
}

// ParseTyped2 is Parse2 for values that have a schema. It adds what the request says about it.
func ParseTyped2(b []byte, limits wire.Limits, declared *Declared) ([]ingest.Message, *wire.Error) {
	return parse2(b, true, limits, declared)
}

func parse2(b []byte, isJSON bool, limits wire.Limits, declared *Declared) ([]ingest.Message, *wire.Error) {
	if fault := wire.CheckJSON(b, limits); fault != nil {
		return nil, fault
	}
	r := &reader{}
	var list []byte
	r.fields("", jsonscan.TrimSpace(b), func(name, at string, value []byte) bool {
		switch name {
		case "records":
			list = value
		case "key_schema", "key_schema_id":
			r.without(at, value, "is not possible: keys have no schema, and are stored as JSON")
		case "value_schema", "value_schema_id":
			if declared != nil {
				return r.declare(declared, name, at, value)
			}
			r.without(at, value, "needs a content type with schemas, such as application/vnd.kafka.avro.v2+json")
		default:
			return false
		}
		return true
	})
	if r.fault == nil && (list == nil || list[0] != '[') {
		r.refuse("/records", "must be an array")
	}
	if r.fault != nil {
		return nil, r.fault
	}
	var all []ingest.Message
	for element := range jsonscan.Elements(list) {
		if limits.Records > 0 && len(all) >= limits.Records {
			return nil, wire.Errorf(wire.TooLarge, "records has more than %d entries (limit batch_records): send several requests", limits.Records)
		}
		all = append(all, r.record2("/records/"+strconv.Itoa(len(all)), element, isJSON))
		if r.fault != nil {
			return nil, r.fault
		}
	}
	if len(all) == 0 {
		r.refuse("/records", "is empty")
		r.fault.HTTPStatus = http.StatusUnprocessableEntity
	}
	return all, r.fault
}

func (r *reader) record2(pointer string, object []byte, isJSON bool) (m ingest.Message) {
	embedded := func(at string, value []byte) []byte {
		switch {
		case isNull(value):
			return nil
		case isJSON:
			return value
		}
		return r.base64(at, value)
	}
	r.fields(pointer, object, func(name, at string, value []byte) bool {
		switch name {
		case "key":
			if m.Key = embedded(at, value); isJSON && m.Key != nil {
				m.Key = compact(m.Key)
			}
		case "value":
			m.Value = embedded(at, value)
			m.JSON = isJSON && m.Value != nil
		case "partition":
			r.without(at, value, "cannot be chosen: the partition follows from the key")
		default:
			return false
		}
		return true
	})
	return m
}

// AppendOffsets appends the answer to a request of version 2: for each record its place, or
// its fault.
func AppendOffsets(dst []byte, results []upstream.Stored, fault func(error) *wire.Error) []byte {
	dst = append(dst, `{"offsets":[`...)
	for i, stored := range results {
		if i > 0 {
			dst = append(dst, ',')
		}
		if stored.Err == nil {
			dst = append(dst, `{"partition":`...)
			dst = strconv.AppendInt(dst, int64(stored.Partition), 10)
			dst = append(dst, `,"offset":`...)
			dst = strconv.AppendInt(dst, stored.Offset, 10)
			dst = append(dst, `,"error_code":null,"error":null}`...)
			continue
		}
		why := fault(stored.Err)
		dst = append(dst, `{"partition":null,"offset":null,"error_code":`...)
		dst = strconv.AppendInt(dst, int64(recordNumber(why)), 10)
		dst = append(dst, `,"error":`...)
		dst = jsonscan.AppendString(dst, why.Message)
		dst = append(dst, `,"code":"`...)
		dst = append(dst, why.Code...)
		dst = append(dst, `"}`...)
	}
	return append(dst, `],"key_schema_id":null,"value_schema_id":null}`...)
}
