package envelope

import (
	"bytes"
	"encoding/base64"
	"slices"
	"sync"

	"sluice/hub/event"
	"sluice/hub/jsonscan"
	"sluice/hub/record"
	"sluice/hub/redact"
)

// Decrypter decrypts the records of a stream. It is immutable and safe for concurrent use.
type Decrypter struct {
	cipher Cipher
	paths  []string
	places *redact.Places
}

// New returns a decrypter of what is at some paths, of which none overlap.
func New(cipher Cipher, paths []string) (*Decrypter, error) {
	places, err := redact.NewPlaces(paths)
	if err != nil {
		return nil, err
	}
	return &Decrypter{cipher: cipher, paths: slices.Clone(paths), places: places}, nil
}

// Equal reports whether two decrypters decrypt alike.
func (d *Decrypter) Equal(other *Decrypter) bool {
	return slices.Equal(d.paths, other.paths) && d.cipher.equal(other.cipher)
}

// Paths returns the paths of what is encrypted. They must not be changed.
func (d *Decrypter) Paths() []string { return d.paths }

// AssociatedData appends the associated data of the ciphertexts at a path of the records
// of a topic.
func AssociatedData(dst []byte, topic, path string) []byte {
	return append(append(append(dst, topic...), ':'), path...)
}

// Decrypt returns a record of a topic in plaintext, with the paths of what could not be
// decrypted. Of the record that it is given nothing is changed. A new value is appended to
// dst, which is returned as memory.
func (d *Decrypter) Decrypt(dst []byte, topic string, r *record.Record) (plain record.Record, memory []byte) {
	plain, memory = *r, dst
	o := openings.Get().(*opening)
	defer o.close()
	o.of, o.topic, o.failed = d, topic, 0
	if d.places.HasHeaders() {
		plain.Headers = o.headers(r.Headers)
	}
	if at, whole := d.places.Whole(); whole && r.Value != nil {
		plain.Value = o.open(r.Value, at)
	}
	if d.places.HasFields() && r.Value != nil && jsonscan.Check(r.Value, event.MaxDataDepth) == nil {
		var some bool
		if memory, some = d.places.Append(dst, r.Value, o.replace); some {
			plain.Value = memory[len(dst):]
		}
	}
	if o.failed != 0 {
		for at, path := range d.paths {
			if o.failed&(1<<at) != 0 {
				plain.Undecrypted = append(plain.Undecrypted, path)
			}
		}
	}
	return plain, memory
}

// opening is the memory that is used to decrypt a record.
type opening struct {
	of         *Decrypter
	topic      string
	failed     uint64 // the numbers of the paths at which something could not be decrypted
	ciphertext []byte
	associated []byte
	replace    redact.Replace // the method field
}

var openings = sync.Pool{New: func() any {
	o := new(opening)
	o.replace = o.field
	return o
}}

// maxKeptCiphertext bounds the memory that is kept for the next record.
const maxKeptCiphertext = 64 << 10

func (o *opening) close() {
	if cap(o.ciphertext) > maxKeptCiphertext {
		o.ciphertext = nil
	}
	o.of = nil
	openings.Put(o)
}

// open returns the plaintext of a ciphertext at a path, nil if it cannot be decrypted.
func (o *opening) open(ciphertext []byte, at int) []byte {
	o.associated = AssociatedData(o.associated[:0], o.topic, o.of.paths[at])
	plaintext, err := o.of.cipher.Decrypt(ciphertext, o.associated)
	if err != nil {
		o.fail(at)
		return nil
	}
	return plaintext
}

func (o *opening) fail(at int) { o.failed |= 1 << at }

// headers returns headers in plaintext.
func (o *opening) headers(all []record.Header) []record.Header {
	cloned := false
	for i, h := range all {
		at, ok := o.of.places.Header(h.Name)
		if !ok || h.Value == nil {
			continue
		}
		if !cloned {
			all, cloned = slices.Clone(all), true
		}
		all[i].Value = o.open(h.Value, at)
	}
	return all
}

// field appends what stands for a member of a value: the plaintext of the ciphertext that
// it is, or null.
func (o *opening) field(dst, value []byte, at int) []byte {
	if string(value) == "null" {
		return append(dst, value...)
	}
	if plaintext, ok := o.json(value, at); ok {
		return append(dst, plaintext...)
	}
	o.fail(at)
	return append(dst, "null"...)
}

// json returns the JSON text whose ciphertext is in a string.
func (o *opening) json(value []byte, at int) (text []byte, ok bool) {
	if len(value) < 2 || value[0] != '"' {
		return nil, false
	}
	encoded := value[1 : len(value)-1]
	if bytes.IndexByte(encoded, '\\') >= 0 { // some encoders escape slashes
		unquoted, ok := jsonscan.Unquote(value)
		if !ok {
			return nil, false
		}
		encoded = []byte(unquoted)
	}
	var err error
	if o.ciphertext, err = base64.StdEncoding.AppendDecode(o.ciphertext[:0], encoded); err != nil {
		return nil, false
	}
	text = o.open(o.ciphertext, at)
	return text, text != nil && jsonscan.Check(text, event.MaxDataDepth-o.of.places.Depth(at)) == nil
}
