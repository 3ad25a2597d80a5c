package avro

import (
	"encoding/binary"
	"errors"
	"unicode/utf8"

	"sluice/hub/jsonscan"
)

// ErrTooLarge means that the JSON of a value is larger than allowed.
var ErrTooLarge = errors.New("the JSON of the value is larger than allowed")

var (
	errShort    = errors.New("the value ends early")
	errTrailing = errors.New("the value is followed by more bytes")
	errDeep     = errors.New("the value nests too deeply")
	errNumber   = errors.New("the value has an integer that is too large")
	errCount    = errors.New("the value has a length or count that cannot be")
	errBranch   = errors.New("the value has a branch or symbol that the schema does not have")
	errText     = errors.New("the value has text that is not UTF-8")
	errBoolean  = errors.New("the value has a boolean that is neither true nor false")
)

// decoder is the state of decoding one value.
type decoder struct {
	in, out []byte
	end     int // how long out may become
}

// take takes so many bytes of the value.
func (d *decoder) take(n int64) ([]byte, error) {
	switch {
	case n < 0:
		return nil, errCount
	case n > int64(len(d.in)):
		return nil, errShort
	}
	taken := d.in[:n]
	d.in = d.in[n:]
	return taken, nil
}

// long decodes an integer of 64 bits.
func (d *decoder) long() (int64, error) {
	v, n := binary.Varint(d.in)
	switch {
	case n == 0:
		return 0, errShort
	case n < 0:
		return 0, errNumber
	}
	d.in = d.in[n:]
	return v, nil
}

// sized takes bytes that are preceded by their number.
func (d *decoder) sized() ([]byte, error) {
	n, err := d.long()
	if err != nil {
		return nil, err
	}
	return d.take(n)
}

// text decodes a string.
func (d *decoder) text() error {
	text, err := d.sized()
	switch {
	case err != nil:
		return err
	case len(d.out)+len(text) > d.end:
		return ErrTooLarge
	case !utf8.Valid(text):
		return errText
	}
	d.out = jsonscan.AppendString(d.out, text)
	return nil
}
