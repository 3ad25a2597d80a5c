package restproxy

import (
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"sluice/transport/wire"
)

// The types of data that have a schema.
const (
	typeAvro       = "AVRO"
	typeJSONSchema = "JSONSCHEMA"
	typeProtobuf   = "PROTOBUF"
)

// Declared is what a producer says about the schema of values. It is compared with the schema
// of the stream, and chooses none.
type Declared struct {
	kind string // one of the types, "" if nothing is said
	id   int    // 0 if it is not said
	text string // "" if it is not said
	// at is the pointer to where it is said, and status that of a fault, 0 for that of its
	// code.
	at     string
	status int
}

// Typed returns what a content type of version 2 says about the schema of values, which are
// then embedded as JSON. It reports false for a content type without schemas.
func Typed(contentType string) (d Declared, ok bool) {
	kind, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		return d, false
	}
	for name, of := range map[string]string{"avro": typeAvro, "jsonschema": typeJSONSchema, "protobuf": typeProtobuf} {
		if kind == "application/vnd.kafka."+name+".v2+json" {
			return Declared{kind: of, status: http.StatusUnsupportedMediaType}, true
		}
	}
	return d, false
}

// Given reports whether anything is declared.
func (d Declared) Given() bool { return d != Declared{} }

// Check returns a fault if the schema of the stream, by its media type, its id in a registry
// and its text, is not what is declared. The id is 0 for a schema that has none.
func (d Declared) Check(mediaType string, id uint32, text []byte) *wire.Error {
	is := ""
	switch {
	case strings.Contains(mediaType, "avro"):
		is = typeAvro
	case mediaType == "application/schema+json":
		is = typeJSONSchema
	case strings.Contains(mediaType, "protobuf"):
		is = typeProtobuf
	}
	message := ""
	switch {
	case d.kind != "" && d.kind != is:
		message = "the values of the stream have no schema of the type " + d.kind + ": send them as JSON, without a schema"
	case is == "" && (d.id != 0 || d.text != ""):
		message = "the values of the stream have no schema: leave it out"
	case d.id != 0 && int64(d.id) != int64(id):
		message = fmt.Sprintf("the schema of the stream is another one than that with the id %d: send the one that GET /v1/streams/{stream}/schema returns, or leave it out", d.id)
	case d.text != "" && !sameText(d.text, text):
		message = "the schema of the stream is another one: send the one that GET /v1/streams/{stream}/schema returns, or leave it out"
	default:
		return nil
	}
	fault := &wire.Error{Code: wire.BadRequest, HTTPStatus: d.status, Message: message}
	if d.id != 0 || d.text != "" || d.at != "" {
		fault.HTTPStatus = 0
		fault.Errors = []wire.Violation{{Pointer: d.at, Message: message}}
	}
	return fault
}

// sameText reports whether two schemas are the same, in JSON but for white space. It reads them as
// far as they are the same: each record of a request can declare one.
func sameText(declared string, text []byte) bool {
	if declared == string(text) {
		return true
	}
	i, j, quoted := 0, 0, false
	for {
		if !quoted {
			i, j = afterSpace(declared, i), afterSpace(text, j)
		}
		if i == len(declared) || j == len(text) {
			return i == len(declared) && j == len(text) && json.Valid([]byte(declared)) && json.Valid(text)
		}
		c := declared[i]
		if c != text[j] {
			return false
		}
		i, j = i+1, j+1
		switch {
		case c == '"':
			quoted = !quoted
		case c == '\\' && i < len(declared) && j < len(text):
			if declared[i] != text[j] {
				return false
			}
			i, j = i+1, j+1
		}
	}
}

// afterSpace returns where white space of JSON ends.
func afterSpace[T string | []byte](text T, i int) int {
	for i < len(text) && (text[i] == ' ' || text[i] == '\n' || text[i] == '\r' || text[i] == '\t') {
		i++
	}
	return i
}

// declare reads a field about the schema of values. It reports false for another field.
func (r *reader) declare(d *Declared, name, at string, value []byte) bool {
	switch name {
	case "schema", "value_schema":
		if !isNull(value) {
			d.text, d.at = r.text(at, value), at
		}
	case "schema_id", "value_schema_id":
		if isNull(value) {
			return true
		}
		n, err := strconv.ParseInt(string(value), 10, 32)
		if err != nil || n < 1 {
			r.refuse(at, "must be the id of a schema, a positive integer")
		}
		d.id, d.at = int(n), at
	case "schema_version", "subject", "subject_name_strategy":
		r.without(at, value, "cannot be chosen: the schema is that of the stream")
	default:
		return false
	}
	return true
}
