package transport

import "bytes"

// splitter finds where elements end. It keeps what it has seen of the next one.
type splitter interface {
	// scan is given the bytes that follow those of the last call. It returns how many of
	// them belong to the element, if it ends in them, else -1.
	scan(b []byte) int
	// ended reports whether what was given since the last element is one, at the end of
	// the body. It is not asked about nothing.
	ended() bool
}

// lineSplitter ends elements at LF, which belongs to them. The last line need not have
// one.
type lineSplitter struct{}

func (lineSplitter) scan(b []byte) int {
	if i := bytes.IndexByte(b, '\n'); i >= 0 {
		return i + 1
	}
	return -1
}

func (lineSplitter) ended() bool { return true }

// objectSplitter ends elements at the end of a JSON object, of which any number can follow
// each other, with or without white space. What is no object is an element with all that
// follows it, as nothing tells where it ends.
type objectSplitter struct {
	begun, text, escaped bool
	depth                int
}

func (s *objectSplitter) scan(b []byte) int {
	for i, c := range b {
		switch {
		case !s.begun:
			switch c {
			case ' ', '\t', '\r', '\n':
				continue
			case '{':
				s.begun, s.depth = true, 1
			default:
				return len(b)
			}
		case s.escaped:
			s.escaped = false
		case s.text:
			s.escaped, s.text = c == '\\', c != '"'
		case c == '"':
			s.text = true
		case c == '{', c == '[':
			s.depth++
		case c == '}', c == ']':
			if s.depth--; s.depth == 0 {
				s.begun = false
				return i + 1
			}
		}
	}
	return -1
}

func (s *objectSplitter) ended() bool { return !s.begun }
