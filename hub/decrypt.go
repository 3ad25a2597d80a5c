package hub

import (
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"sluice/hub/record"
	"sluice/hub/redact"
)

// Decrypter decrypts what is encrypted in the records of a stream. It is safe for
// concurrent use, never waits, and is comparable, as pointers are.
type Decrypter interface {
	// Paths are the paths of what is encrypted, as in package redact. They are always
	// the same, and must not be changed.
	Paths() []string
	// Decrypt returns a record of a topic in plaintext, with what could not be decrypted
	// in Undecrypted. The plaintext is appended to dst, which is memory for it. The record
	// that it is given, and what that refers to, is not changed.
	Decrypt(dst []byte, topic string, r *record.Record) (plain record.Record, memory []byte)
}

// maxKeptPlain bounds the memory that is kept for the plaintext of the next record.
const maxKeptPlain = 64 << 10

// decrypting decrypts the records of a stream before they are encoded. It is used by all
// who read the stream, at once.
type decrypting struct {
	by     Decrypter
	topic  string
	hides  *redact.Redaction // all that is encrypted
	logger *slog.Logger
	now    func() time.Time

	failed atomic.Uint64 // records in which something could not be decrypted
	said   atomic.Int64  // when that was logged, Unix nanoseconds
}

// hidesAll returns the redaction of all that is encrypted.
func hidesAll(by Decrypter) (*redact.Redaction, error) {
	if by == nil {
		return nil, nil
	}
	hides, err := redact.New(by.Paths(), nil)
	if err != nil {
		return nil, fmt.Errorf("hide what is encrypted: %w", err)
	}
	return hides, nil
}

// record returns a record in plaintext, and the memory that is kept for the next, until
// which the record is valid.
func (c *decrypting) record(memory []byte, r *record.Record) (plain record.Record, keep []byte) {
	plain, memory = c.by.Decrypt(memory[:0], c.topic, r)
	if len(plain.Undecrypted) > 0 {
		c.note(&plain)
	}
	if cap(memory) > maxKeptPlain {
		memory = nil
	}
	return plain, memory
}

// note counts a record in which something could not be decrypted, and logs it, if that was
// not done lately. What is in the record is not logged.
func (c *decrypting) note(r *record.Record) {
	c.failed.Add(1)
	now, said := c.now().UnixNano(), c.said.Load()
	if said != 0 && now-said < int64(noteAgain) || !c.said.CompareAndSwap(said, now) {
		return
	}
	c.logger.Warn("records cannot be decrypted: what is encrypted in them is delivered as null",
		"paths", r.Undecrypted, "partition", r.Partition, "offset", r.Offset, "records", c.failed.Load())
}
