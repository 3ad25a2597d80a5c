package event

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"unicode/utf8"

	"sluice/hub/jsonscan"
	"sluice/hub/record"
)

// Content is the type of the values of a stream's records, and so determines how
// an event shows them.
type Content string

// The content types.
const (
	// ContentAny: each value is shown as what it is: JSON, else text, else bytes.
	ContentAny Content = ""
	// ContentJSON: values are JSON.
	ContentJSON Content = "json"
	// ContentText: values are UTF-8 text.
	ContentText Content = "text"
	// ContentBytes: values are arbitrary bytes, shown in base64.
	ContentBytes Content = "bytes"
)

// Valid reports whether c is one of the content types.
func (c Content) Valid() bool {
	switch c {
	case ContentAny, ContentJSON, ContentText, ContentBytes:
		return true
	}
	return false
}

const (
	// Prefix is the beginning of every event. The name of a feed, `"feed":"…",`,
	// is inserted directly after it.
	Prefix = `{"type":"event",`
	// MaxDataDepth is the deepest nesting of arrays and objects in a value that
	// is shown as JSON. It leaves room below the limits of the parsers that
	// subscribers use, the smallest of which in wide use is 1,000.
	MaxDataDepth = 512
)

// ErrUnreadable means that the record cannot be shown as an event of its stream.
// It must be reported as a gap with the reason GapUnreadable.
var ErrUnreadable = errors.New("the record is unreadable")

var (
	errOffset       = fmt.Errorf("%w: the offset is not below 2^53", ErrUnreadable)
	errValueNotJSON = fmt.Errorf("%w: the value is not JSON, which the stream's content requires", ErrUnreadable)
	errValueTooDeep = fmt.Errorf("%w: the value is JSON nested deeper than %d levels", ErrUnreadable, MaxDataDepth)
	errValueNotText = fmt.Errorf("%w: the value is not UTF-8 text, which the stream's content requires", ErrUnreadable)
)

// KeySpan is the position in an event of the JSON text of the record's key,
// counted from the event's first byte, End exclusive. Keys are equal if and only
// if both their text and Base64 are, as AppendKey is canonical.
type KeySpan struct {
	Start, End uint32
	// Base64 is set if the text is base64 because the key is not UTF-8.
	Base64 bool
}

// Encoder encodes the records of one stream as events, which are the same on
// every transport. It is immutable and safe for concurrent use.
type Encoder struct {
	head    []byte // the event up to the partition number
	content Content
}

// NewEncoder returns an encoder for the stream with the given public name. It
// panics if content is not valid: input from outside must be checked with
// Content.Valid first.
func NewEncoder(stream string, content Content) *Encoder {
	if !content.Valid() {
		panic(fmt.Sprintf("event: unknown content %q", string(content)))
	}
	head := []byte(Prefix + `"stream":`)
	head = jsonscan.AppendString(head, stream)
	head = append(head, `,"partition":`...)
	return &Encoder{head: head, content: content}
}

// Append appends the event of a record: one JSON object in UTF-8 that begins with
// Prefix and contains no byte CR, LF or NUL. In header names that are not UTF-8,
// which KIP-82 does not allow, invalid bytes are replaced by U+FFFD.
//
// For a record that cannot be shown, it returns an error that is ErrUnreadable,
// and dst unchanged. It allocates only to grow dst.
func (e *Encoder) Append(dst []byte, r *record.Record) (out []byte, key KeySpan, err error) {
	if r.Offset < 0 || r.Offset > record.MaxOffset {
		return dst, KeySpan{}, errOffset
	}
	start := len(dst)
	out = append(dst, e.head...)
	out = strconv.AppendInt(out, int64(r.Partition), 10)
	out = append(out, `,"offset":`...)
	out = strconv.AppendInt(out, r.Offset, 10)
	if r.Timestamp == -1 {
		out = append(out, `,"ts":null,"key":`...)
	} else {
		out = append(out, `,"ts":`...)
		out = strconv.AppendInt(out, r.Timestamp, 10)
		out = append(out, `,"key":`...)
	}

	key.Start = uint32(len(out) - start)
	out, key.Base64 = AppendKey(out, r.Key)
	key.End = uint32(len(out) - start)
	if key.Base64 {
		out = append(out, `,"key_encoding":"base64"`...)
	}
	if len(r.Headers) > 0 {
		out = appendHeaders(out, r.Headers)
	}
	if len(r.Undecrypted) > 0 {
		out = appendUndecrypted(out, r.Undecrypted)
		if r.Value == nil && slices.Contains(r.Undecrypted, record.WholeValue) {
			return append(out, `,"data":null}`...), key, nil
		}
	}
	out = append(out, `,"data":`...)
	if out, err = e.appendData(out, r.Value); err != nil {
		return dst, KeySpan{}, err
	}
	return append(out, '}'), key, nil
}

func appendUndecrypted(dst []byte, paths []string) []byte {
	dst = append(dst, `,"undecrypted":[`...)
	for i, path := range paths {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = jsonscan.AppendString(dst, path)
	}
	return append(dst, ']')
}

// AppendKey appends the JSON text of a record's key as an event shows it: null
// for a nil key, a string if the key is UTF-8, else base64 in a string.
func AppendKey(dst, key []byte) (out []byte, isBase64 bool) {
	if key == nil {
		return append(dst, `null`...), false
	}
	return appendTextOrBase64(dst, key)
}

func appendHeaders(dst []byte, headers []record.Header) []byte {
	dst = append(dst, `,"headers":[`...)
	for i, h := range headers {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, '[')
		dst = jsonscan.AppendString(dst, h.Name)
		dst = append(dst, ',')
		if h.Value == nil {
			dst = append(dst, `null]`...)
			continue
		}
		var isBase64 bool
		if dst, isBase64 = appendTextOrBase64(dst, h.Value); isBase64 {
			dst = append(dst, `,"base64"`...)
		}
		dst = append(dst, ']')
	}
	return append(dst, ']')
}

// appendData appends the value, followed by the fields that tell how it is shown.
func (e *Encoder) appendData(dst, value []byte) ([]byte, error) {
	if value == nil {
		return append(dst, `null,"tombstone":true`...), nil
	}
	switch e.content {
	case ContentJSON:
		switch err := jsonscan.Check(value, MaxDataDepth); {
		case errors.Is(err, jsonscan.ErrTooDeep):
			return dst, errValueTooDeep
		case err != nil:
			return dst, errValueNotJSON
		}
		return appendJSONLine(dst, value), nil
	case ContentText:
		if !utf8.Valid(value) {
			return dst, errValueNotText
		}
		return jsonscan.AppendString(dst, value), nil
	case ContentBytes:
		return append(appendBase64(dst, value), `,"encoding":"base64"`...), nil
	}
	if jsonscan.Check(value, MaxDataDepth) == nil {
		return appendJSONLine(dst, value), nil
	}
	dst, isBase64 := appendTextOrBase64(dst, value)
	if isBase64 {
		return append(dst, `,"encoding":"base64"`...), nil
	}
	return append(dst, `,"encoding":"text"`...), nil
}

// appendJSONLine appends valid JSON on one line: CR and LF can only be whitespace
// in it, as strings must escape them, and are replaced by spaces.
func appendJSONLine(dst, value []byte) []byte {
	start := len(dst)
	dst = append(dst, value...)
	spaceOut(dst[start:], '\n')
	spaceOut(dst[start:], '\r')
	return dst
}

func spaceOut(b []byte, c byte) {
	for {
		i := bytes.IndexByte(b, c)
		if i < 0 {
			return
		}
		b[i] = ' '
		b = b[i+1:]
	}
}

func appendTextOrBase64(dst, b []byte) (out []byte, isBase64 bool) {
	if utf8.Valid(b) {
		return jsonscan.AppendString(dst, b), false
	}
	return appendBase64(dst, b), true
}

func appendBase64(dst, b []byte) []byte {
	dst = append(dst, '"')
	dst = base64.StdEncoding.AppendEncode(dst, b)
	return append(dst, '"')
}
