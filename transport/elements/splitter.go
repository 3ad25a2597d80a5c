package elements

import "bytes"

// Splitter finds where elements end. It keeps what it has seen of the next one.
type Splitter interface {
	// Scan is given the bytes that follow those of the last call. It returns how many of
	// them belong to the element, if it ends in them, else -1.
	Scan(b []byte) int
	// Ended reports whether what was given since the last element is one, at the end of
	// the body. It is not asked about nothing.
	Ended() bool
}

// Lines ends elements at LF, which belongs to them. The last line need not have one.
type Lines struct{}

// Scan implements Splitter.
func (Lines) Scan(b []byte) int {
	if i := bytes.IndexByte(b, '\n'); i >= 0 {
		return i + 1
	}
	return -1
}

// Ended implements Splitter.
func (Lines) Ended() bool { return true }

// Objects ends elements at the end of a JSON object, of which any number can follow
// each other, with or without white space. What is no object is an element with all that
// follows it, as nothing tells where it ends.
type Objects struct {
	begun, text, escaped bool
	depth                int
}

// Scan implements Splitter.
func (s *Objects) Scan(b []byte) int {
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

// Ended implements Splitter.
func (s *Objects) Ended() bool { return !s.begun }
