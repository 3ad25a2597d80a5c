package registry

import (
	"encoding/binary"
	"errors"
)

// The wire format of Confluent's serializers: a magic byte, and the id of the schema with
// which the value was written.
const (
	magic     = 0
	frameSize = 1 + 4
)

// ErrNotFramed means that a value does not begin with the id of a schema.
var ErrNotFramed = errors.New("the value does not begin with the magic byte 0 and the id of a schema")

// AppendFrame appends what comes before a value: the id of its schema.
func AppendFrame(dst []byte, id uint32) []byte {
	return binary.BigEndian.AppendUint32(append(dst, magic), id)
}

// Unframe returns the id of the schema of a stored value, and the value, which is a part of
// it.
func Unframe(stored []byte) (id uint32, value []byte, err error) {
	if len(stored) < frameSize || stored[0] != magic {
		return 0, nil, ErrNotFramed
	}
	return binary.BigEndian.Uint32(stored[1:frameSize]), stored[frameSize:], nil
}

// JSON decodes values that were stored with the id of a JSON Schema. That is not asked for:
// such values show what they are without it. It implements hub.Decoder.
type JSON struct{}

// Decode implements hub.Decoder. It returns a part of the value.
func (JSON) Decode(dst, stored []byte) (value, memory []byte, err error) {
	_, value, err = Unframe(stored)
	return value, dst, err
}
