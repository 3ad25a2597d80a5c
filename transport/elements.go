package transport

import (
	"errors"
	"io"
)

// elements reads the elements of a body one after the other, such as its lines, in
// memory that is bounded by the longest element.
type elements struct {
	body io.Reader
	// end finds the end of the next element.
	end splitter
	// most is how long an element may be.
	most int

	buf     []byte
	start   int  // of the next element
	scanned int  // how far end has looked
	filled  bool // the last read has filled the buffer: there is more than it holds
	err     error
}

// errLongElement means that an element is longer than it may be.
var errLongElement = errors.New("the element is too long")

const (
	// readBytes is how much of a body is read at once, and so about how much is
	// published at once.
	readBytes = 64 << 10
	// firstRead is how much is read as long as the client sends little.
	firstRead = 4 << 10
)

// next returns the next element, if that needs no reading. The bytes are valid until
// the next call of fill.
func (e *elements) next() (element []byte, ok bool) {
	n := e.end.scan(e.buf[e.scanned:])
	if n < 0 {
		e.scanned = len(e.buf)
		return nil, false
	}
	element = e.buf[e.start : e.scanned+n]
	e.start, e.scanned = e.scanned+n, e.scanned+n
	return element, true
}

// begun reports whether a part of an element has been read.
func (e *elements) begun() bool { return e.start < len(e.buf) }

// last returns what is left at the end of the body, if it is an element.
func (e *elements) last() (element []byte, ok bool) {
	if !e.begun() {
		return nil, false
	}
	element, e.start = e.buf[e.start:], len(e.buf)
	e.scanned = e.start
	return element, e.end.ended()
}

// fill reads more of the body, once.
func (e *elements) fill() error {
	if e.err != nil {
		return e.err
	}
	if len(e.buf)-e.start > e.most {
		return errLongElement
	}
	if e.start > 0 {
		// Whole elements have been taken since the buffer was full.
		n := copy(e.buf, e.buf[e.start:])
		e.buf, e.scanned, e.start = e.buf[:n], e.scanned-e.start, 0
	}
	if len(e.buf) == cap(e.buf) || e.filled && cap(e.buf) < readBytes {
		size := firstRead
		if cap(e.buf) > 0 {
			size = max(2*len(e.buf), readBytes)
		}
		grown := make([]byte, len(e.buf), min(size, max(e.most+1, readBytes)))
		copy(grown, e.buf)
		e.buf = grown
	}
	n, err := e.body.Read(e.buf[len(e.buf):cap(e.buf)])
	e.buf = e.buf[:len(e.buf)+n]
	e.filled = len(e.buf) == cap(e.buf)
	e.err = err
	if n > 0 {
		return nil
	}
	return err
}
