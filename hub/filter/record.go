package filter

import (
	"iter"

	"sluice/hub/jsonscan"
	"sluice/hub/redact"
)

// encodingBytes is how a value that is neither JSON nor text is shown.
const encodingBytes = "base64"

// keptValues bounds the number of fields of a record whose values are kept.
const keptValues = 8

const (
	// maxRemains bounds the number of redactions under which a record is kept, and
	// maxKeptRemains the memory that is kept for what remains of the next record.
	maxRemains     = 8
	maxKeptRemains = 64 << 10
)

// Record is a record as predicates see it: what subscribers are sent of it. It is
// parsed lazily, and no part twice. What its methods return is valid until the
// predicate returns, and must not be changed.
type Record struct {
	// Partition, Offset and Time are known without parsing. Time is in Unix
	// milliseconds, -1 for none.
	Partition    int32
	Offset, Time int64

	// Memo is for what predicates share about the record, such as its value as they see
	// it. Set makes it nil.
	Memo any

	event []byte

	walked             bool
	key, headers, data []byte
	base64, tombstone  bool
	encoding           string

	read, isText bool // the key has been read, and is text
	keyText      string

	listed  bool
	members map[string][]byte // of the object in data

	values  []fieldValue // of the fields that filters have looked at
	remains []*remains   // of it under redactions
}

// fieldValue is the text of a field's value.
type fieldValue struct {
	field Field
	text  []byte
	ok    bool
}

// Set makes r the record of an event with the given JSON text.
func (r *Record) Set(event []byte, partition int32, offset, time int64) {
	members := r.members
	if len(members) > 64 {
		members = nil // a map that has grown stays slow to clear
	}
	clear(members)
	clear(r.values)
	*r = Record{Partition: partition, Offset: offset, Time: time, event: event, members: members, values: r.values[:0], remains: r.forgetRemains()}
}

// remains is a record under a redaction.
type remains struct {
	under  *redact.Redaction
	event  []byte
	record Record
}

// Under returns what remains of the record under a redaction, which is made once. It is
// valid until the predicate returns, and must not be changed.
func (r *Record) Under(by *redact.Redaction) *Record {
	if by == nil {
		return r
	}
	for _, one := range r.remains {
		if one.under != nil && (one.under == by || one.under.Equal(by)) {
			return &one.record
		}
	}
	var one *remains
	for _, unused := range r.remains {
		if unused.under == nil {
			one = unused
			break
		}
	}
	if one == nil {
		one = &remains{}
		if len(r.remains) < maxRemains {
			r.remains = append(r.remains, one)
		}
	}
	one.under = by
	one.event = by.Append(one.event[:0], r.event)
	one.record.Set(one.event, r.Partition, r.Offset, r.Time)
	return &one.record
}

// forgetRemains makes room for those of another record.
func (r *Record) forgetRemains() []*remains {
	for _, one := range r.remains {
		one.under = nil
		if cap(one.event) > maxKeptRemains {
			one.event = nil
		}
		one.record.Set(nil, 0, 0, 0)
	}
	return r.remains
}

// walk finds the fields of the event.
func (r *Record) walk() {
	if r.walked {
		return
	}
	r.walked = true
	for name, value := range jsonscan.Members(r.event) {
		switch string(name) {
		case `"key"`:
			r.key = value
		case `"key_encoding"`:
			r.base64 = true
		case `"headers"`:
			r.headers = value
		case `"data"`:
			r.data = value
		case `"tombstone"`:
			r.tombstone = true
		case `"encoding"`:
			r.encoding, _ = jsonscan.Unquote(value)
		}
	}
}

// Key returns the record's key. It reports false for a key that is null or not
// UTF-8.
func (r *Record) Key() (key string, ok bool) {
	if !r.read {
		r.walk()
		r.read = true
		if !r.base64 {
			r.keyText, r.isText = jsonscan.Unquote(r.key)
		}
	}
	return r.keyText, r.isText
}

// Headers returns the record's headers as an event shows them: a JSON array with
// one array for each header, in their order, of name, value (null or a string),
// and "base64" after a value that is not UTF-8. It returns nil if there are no
// headers.
func (r *Record) Headers() []byte {
	r.walk()
	return r.headers
}

// Data returns the JSON text of the record's value as an event shows it: null for
// a tombstone, a string if Encoding is not empty.
func (r *Record) Data() []byte {
	r.walk()
	return r.data
}

// Encoding returns how a value that is not JSON is shown in Data: "text" or
// "base64".
func (r *Record) Encoding() string {
	r.walk()
	return r.encoding
}

// Tombstone reports whether the record has a null value.
func (r *Record) Tombstone() bool {
	r.walk()
	return r.tombstone
}

// Field returns the JSON text of a member of the value, or of nested objects in
// it. If a name occurs twice in an object, the last one counts, as with most
// parsers.
func (r *Record) Field(path ...string) (value []byte, ok bool) {
	value = r.Data()
	for depth, name := range path {
		if value = jsonscan.TrimSpace(value); len(value) == 0 || value[0] != '{' {
			return nil, false
		}
		if depth == 0 {
			if value, ok = r.list()[name]; !ok {
				return nil, false
			}
			continue
		}
		object := value
		value = nil
		for has, of := range jsonscan.Members(object) {
			if text, ok := jsonscan.Unquote(has); ok && text == name {
				value = of
			}
		}
		if value == nil {
			return nil, false
		}
	}
	return value, true
}

// list returns the members of the value, which is an object.
func (r *Record) list() map[string][]byte {
	if r.listed {
		return r.members
	}
	r.listed = true
	if r.members == nil {
		r.members = make(map[string][]byte)
	}
	for name, value := range jsonscan.Members(r.data) {
		if text, ok := jsonscan.Unquote(name); ok {
			r.members[text] = value
		}
	}
	return r.members
}

// value returns the text of a field's value, as [scalar] does. It looks for the field
// in one walk through the value, without parsing the rest.
func (r *Record) value(f Field) (text []byte, ok bool) {
	for i := range r.values {
		if v := &r.values[i]; v.field == f {
			return v.text, v.ok
		}
	}
	text, ok = scalar(r.raw(f))
	if len(r.values) < keptValues {
		r.values = append(r.values, fieldValue{f, text, ok})
	}
	return text, ok
}

// raw returns the JSON text of a field, empty if the record does not have it.
func (r *Record) raw(f Field) (value []byte) {
	if name, ok := f.header(); ok {
		for has, of := range r.headerValues() {
			if isNamed(has, name) {
				value = of
			}
		}
		return value
	}
	path, ok := f.data()
	if !ok {
		return nil
	}
	value = r.textData()
	if path != "" {
		value, _ = member(value, 0, path)
	}
	return value
}

// headerValues yields the names and values of the headers, as events show them. A
// value that is not UTF-8 is empty.
func (r *Record) headerValues() iter.Seq2[[]byte, []byte] {
	return func(yield func(name, value []byte) bool) {
		for header := range jsonscan.Elements(r.Headers()) {
			var parts [3][]byte // name, value, encoding
			n := 0
			for part := range jsonscan.Elements(header) {
				if n < len(parts) {
					parts[n] = part
				}
				n++
			}
			if n > 2 {
				parts[1] = nil
			}
			if !yield(parts[0], parts[1]) {
				return
			}
		}
	}
}

// textData returns the JSON text of the value, empty if the value is bytes.
func (r *Record) textData() []byte {
	r.walk()
	if r.encoding == encodingBytes {
		return nil
	}
	return r.data
}

// member returns the JSON text of a path in the object that begins at i, and where the
// object ends. It recurses no deeper than the path.
func member(b []byte, i int, path string) (value []byte, end int) {
	if i >= len(b) || b[i] != '{' {
		return nil, jsonscan.EndOfValue(b, i)
	}
	name, others := split(path)
	for i++; ; {
		has, at, ok := jsonscan.NextMember(b, i)
		switch {
		case !ok:
			return value, at
		case !isNamed(has, name):
			i = jsonscan.EndOfValue(b, at)
		case others != "":
			value, i = member(b, at, others)
		default:
			i = jsonscan.EndOfValue(b, at)
			value = b[at:i]
		}
	}
}
