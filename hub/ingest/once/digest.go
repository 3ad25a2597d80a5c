package once

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"hash"

	"sluice/hub/ingest"
)

// hashBytes is how much of a hash is kept, and tokenBytes the length of a token: nobody finds
// another text with the same hash, or guesses a token.
const (
	hashBytes  = 24
	tokenBytes = 16
)

// digest hashes fields so that no two lists of fields have the same text.
type digest struct{ to hash.Hash }

func newDigest() digest { return digest{sha256.New()} }

func (d digest) number(n int) {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], uint64(n))
	d.to.Write(b[:])
}

// field adds a field, which may be null.
func (d digest) field(b []byte) {
	if b == nil {
		d.number(-1)
		return
	}
	d.number(len(b))
	d.to.Write(b)
}

func (d digest) sum() string {
	return base64.RawURLEncoding.EncodeToString(d.to.Sum(nil)[:hashBytes])
}

// keyOf returns the hash of an id of a principal in a stream.
func keyOf(b *ingest.Batch, id string) string {
	d := newDigest()
	for _, part := range []string{b.Tenant, b.Stream, b.Principal, id} {
		d.field([]byte(part))
	}
	return d.sum()
}

// contentOf returns the hash of what the client has sent to be stored. How the client has sent
// it is left out: it may try again over another interface. A record whose reply is expected is
// another one than the same record without.
func contentOf(m *ingest.Message, replied bool) string {
	d := newDigest()
	d.field(m.Key)
	d.field(m.Value)
	d.number(int(m.Timestamp))
	d.number(len(m.Headers))
	for _, h := range m.Headers {
		d.field(h.Name)
		d.field(h.Value)
	}
	if replied {
		d.number(1)
	}
	return d.sum()
}

// random returns a text that nobody can guess.
func random() string {
	var b [tokenBytes]byte
	_, _ = rand.Read(b[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(b[:])
}
