package elements

import (
	"errors"
	"io"
)

// Reader reads the elements of a body one after the other. It is used by one goroutine at
// a time.
type Reader struct {
	body io.Reader
	end  Splitter
	most int // how long an element may be

	buf     []byte
	start   int  // of the next element
	scanned int  // how far end has looked
	filled  bool // the last read has filled the buffer: there is more than it holds
	err     error
}

// New returns a Reader of elements that may be most bytes long, and that end where the
// splitter says.
func New(body io.Reader, end Splitter, most int) *Reader {
	return &Reader{body: body, end: end, most: most}
}

// ErrTooLong means that an element is longer than it may be.
var ErrTooLong = errors.New("the element is too long")

const (
	// ReadBytes is how much of a body is read at once, at the most, while its elements are
	// not longer.
	ReadBytes = 64 << 10
	// firstRead is how much is read as long as the client sends little.
	firstRead = 4 << 10
)

// Next returns the next element, if that needs no reading. The bytes are valid until the
// next call of Fill. An element that was read with others can be longer than it may be.
func (r *Reader) Next() (element []byte, ok bool) {
	n := r.end.Scan(r.buf[r.scanned:])
	if n < 0 {
		r.scanned = len(r.buf)
		return nil, false
	}
	element = r.buf[r.start : r.scanned+n]
	r.start, r.scanned = r.scanned+n, r.scanned+n
	return element, true
}

// Buffered returns how many bytes have been read that are in no element yet.
func (r *Reader) Buffered() int { return len(r.buf) - r.start }

// Last returns what is left at the end of the body, if it is an element.
func (r *Reader) Last() (element []byte, ok bool) {
	if r.Buffered() == 0 {
		return nil, false
	}
	element, r.start = r.buf[r.start:], len(r.buf)
	r.scanned = r.start
	return element, r.end.Ended()
}

// Fill reads more of the body, once. Its error is ErrTooLong, or that of the body.
func (r *Reader) Fill() error {
	if r.err != nil {
		return r.err
	}
	if r.Buffered() > r.most {
		return ErrTooLong
	}
	if r.start > 0 {
		// Whole elements have been taken since the buffer was full.
		n := copy(r.buf, r.buf[r.start:])
		r.buf, r.scanned, r.start = r.buf[:n], r.scanned-r.start, 0
	}
	if len(r.buf) == cap(r.buf) || r.filled && cap(r.buf) < ReadBytes {
		size := firstRead
		if cap(r.buf) > 0 {
			size = max(2*len(r.buf), ReadBytes)
		}
		grown := make([]byte, len(r.buf), min(size, max(r.most+1, ReadBytes)))
		copy(grown, r.buf)
		r.buf = grown
	}
	n, err := r.body.Read(r.buf[len(r.buf):cap(r.buf)])
	r.buf = r.buf[:len(r.buf)+n]
	r.filled = len(r.buf) == cap(r.buf)
	r.err = err
	if n > 0 {
		return nil
	}
	return err
}
