package restproxy

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"strings"

	"sluice/hub/jsonscan"
	"sluice/transport/wire"
)

// reader reads the fields of a record and keeps the first thing that is wrong.
type reader struct{ fault *wire.Error }

func (r *reader) refuse(pointer, message string) {
	if r.fault == nil {
		r.fault = &wire.Error{
			Code: wire.BadRequest, Message: strings.TrimLeft(pointer+" "+message, "/ "),
			Errors: []wire.Violation{{Pointer: pointer, Message: message}},
		}
	}
}

// fields calls read with each field of an object, and refuses those for which it returns
// false.
func (r *reader) fields(pointer string, object []byte, read func(name, pointer string, value []byte) bool) {
	if object[0] != '{' {
		r.refuse(pointer, "must be an object")
		return
	}
	for rawName, value := range jsonscan.Members(object) {
		name, ok := jsonscan.Unquote(rawName)
		if !ok || !read(name, pointer+"/"+name, value) {
			r.refuse(pointer, "unknown field "+wire.Shown(name))
		}
	}
}

// without refuses a field that must not have a value.
func (r *reader) without(pointer string, value []byte, message string) {
	if !isNull(value) {
		r.refuse(pointer, message)
	}
}

func isNull(value []byte) bool { return string(value) == "null" }

func (r *reader) text(pointer string, value []byte) string {
	if value[0] != '"' {
		r.refuse(pointer, "must be a string")
		return ""
	}
	text, ok := jsonscan.Unquote(value)
	if !ok {
		r.refuse(pointer, "has an unpaired surrogate")
	}
	return text
}

// base64 decodes standard base64, with padding (RFC 4648, section 4).
func (r *reader) base64(pointer string, value []byte) []byte {
	text := r.text(pointer, value)
	b, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil || strings.ContainsAny(text, "\r\n") {
		r.refuse(pointer, "is not base64 (RFC 4648, section 4, with padding)")
	}
	if b == nil {
		b = []byte{}
	}
	return b
}

// compact returns JSON, which was checked, without white space.
func compact(value []byte) []byte {
	var b bytes.Buffer
	if json.Compact(&b, value) != nil {
		return value
	}
	return b.Bytes()
}
