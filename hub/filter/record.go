package filter

import "sluice/hub/jsonscan"

// Record is a record as predicates see it: what subscribers are sent of it. It is
// parsed as far as somebody asks, and not twice. All that it gives out is valid until
// the predicate returns, and must not be changed.
type Record struct {
	// Partition, Offset and Time, in Unix milliseconds and -1 for none, are known
	// without parsing.
	Partition    int32
	Offset, Time int64

	event []byte

	walked             bool
	key, headers, data []byte
	base64, tombstone  bool
	encoding           string

	read, isText bool // the key was read, and is text
	keyText      string

	listed  bool
	members map[string][]byte // of data
}

// Set makes r the record of an event, whose JSON text is given.
func (r *Record) Set(event []byte, partition int32, offset, time int64) {
	members := r.members
	if len(members) > 64 {
		members = nil // a map that has grown stays as slow to clear
	}
	clear(members)
	*r = Record{Partition: partition, Offset: offset, Time: time, event: event, members: members}
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

// Key is the record's key. It reports false for one that is null or not UTF-8.
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

// Headers are the record's headers as an event shows them: a JSON array with an
// array for each, in their order, of name, value (null, or a string), and "base64"
// behind a value that is not UTF-8. Nil without headers.
func (r *Record) Headers() []byte {
	r.walk()
	return r.headers
}

// Data is the record's value as an event shows it, as JSON text: null for a
// tombstone, a string where Encoding is not empty.
func (r *Record) Data() []byte {
	r.walk()
	return r.data
}

// Encoding is how a value that is not JSON is shown in Data: "text" or "base64".
func (r *Record) Encoding() string {
	r.walk()
	return r.encoding
}

// Tombstone reports whether the record has a null value.
func (r *Record) Tombstone() bool {
	r.walk()
	return r.tombstone
}

// Field is the JSON text of a member of the value, or of objects in it. Of a name
// that stands twice in an object the last one counts, as with most parsers.
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

// list gives the members of the value, which is an object.
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
