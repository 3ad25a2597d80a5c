package audit

import (
	"encoding/json"
	"log/slog"
	"strconv"
	"time"

	"sluice/hub/record"
	"sluice/hub/upstream"
)

// message returns an event as a record, in the binary content mode of the Kafka
// protocol binding for CloudEvents 1.0.2 (sections 3.1 and 3.2). The key is the
// principal's, so that the events of a principal are in one partition; a record
// without a principal has none.
func message(e *entry, source string) upstream.Message {
	m := upstream.Message{
		Headers: []record.Header{
			header("ce_specversion", "1.0"),
			header("ce_id", e.id),
			header("ce_source", source),
			header("ce_type", TypePrefix+string(e.of)),
			header("ce_time", e.at.UTC().Format(time.RFC3339Nano)),
			header("content-type", "application/json"),
		},
		Value: e.attrs.appendJSON(nil),
	}
	if e.key != "" {
		m.Key = []byte(e.key)
	}
	return m
}

func header(name, value string) record.Header {
	return record.Header{Name: []byte(name), Value: []byte(value)}
}

// appendJSON appends the attributes as a JSON object.
func (l attributeList) appendJSON(dst []byte) []byte {
	dst = append(dst, '{')
	for i, a := range l {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, '"')
		dst = append(dst, a.Key...)
		dst = append(dst, '"', ':')
		switch a.Value.Kind() { //nolint:exhaustive // attributes are of these kinds
		case slog.KindInt64:
			dst = strconv.AppendInt(dst, a.Value.Int64(), 10)
		case slog.KindBool:
			dst = strconv.AppendBool(dst, a.Value.Bool())
		default:
			text, err := json.Marshal(a.Value.String())
			if err != nil {
				panic("audit: a string cannot be marshalled: " + err.Error())
			}
			dst = append(dst, text...)
		}
	}
	return append(dst, '}')
}
