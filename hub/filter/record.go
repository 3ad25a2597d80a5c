package filter

import "sluice/hub/jsonscan"

// Record is a record as predicates see it: what subscribers are sent of it. It is
// parsed lazily, and no part twice. What its methods return is valid until the
// predicate returns, and must not be changed.
type Record struct {
	// Partition, Offset and Time are known without parsing. Time is in Unix
	// milliseconds, -1 for none.
	Partition    int32
	Offset, Time int64

	event []byte

	walked             bool
	key, headers, data []byte
	base64, tombstone  bool
	encoding           string

	read, isText bool // the key has been read, and is text
	keyText      string

	listed  bool
	members map[string][]byte // of the object in data
}

// Set makes r the record of an event with the given JSON text.
func (r *Record) Set(event []byte, partition int32, offset, time int64) {
	members := r.members
	if len(members) > 64 {
		members = nil // a map that has grown stays slow to clear
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
