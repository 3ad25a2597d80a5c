package auth

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
)

// maxPatternBytes and maxPatternStars bound the work of one match.
const (
	maxPatternBytes = 256
	maxPatternStars = 8
)

// Pattern matches stream names: `*` stands for any run of characters, including an
// empty one and one with dots in it; every other character stands for itself. A
// literal `*` cannot be expressed. The patterns that give rights come from the
// configuration only: nothing from a token or a client is ever interpreted as one. A
// client may select with a pattern of its own among the streams that it has a right to.
type Pattern struct {
	// parts are the texts between the stars: one part means no star.
	parts []string
}

// NewPattern parses a pattern: 1 to 256 bytes without spaces and control characters,
// at most 8 stars.
func NewPattern(text string) (Pattern, error) {
	switch {
	case text == "":
		return Pattern{}, errors.New("an empty pattern matches nothing")
	case len(text) > maxPatternBytes:
		return Pattern{}, fmt.Errorf("the pattern is longer than %d bytes", maxPatternBytes)
	case strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsGraphic(r) || unicode.IsSpace(r) }):
		return Pattern{}, fmt.Errorf("the pattern %q has a space or control character", text)
	case strings.Count(text, "*") > maxPatternStars:
		return Pattern{}, fmt.Errorf("the pattern %q has more than %d asterisks", text, maxPatternStars)
	}
	return Pattern{parts: strings.Split(text, "*")}, nil
}

// Match reports whether the pattern matches the stream. The zero Pattern matches
// nothing.
func (p Pattern) Match(stream string) bool {
	if len(p.parts) == 0 {
		return false
	}
	first, rest := p.parts[0], p.parts[1:]
	if len(rest) == 0 {
		return stream == first
	}
	stream, ok := strings.CutPrefix(stream, first)
	if !ok {
		return false
	}
	last := rest[len(rest)-1]
	// The earliest match of each part in the middle leaves the most text for the
	// parts after it, so no other match needs to be tried.
	for _, part := range rest[:len(rest)-1] {
		i := strings.Index(stream, part)
		if i < 0 {
			return false
		}
		stream = stream[i+len(part):]
	}
	return strings.HasSuffix(stream, last)
}

// String returns the pattern as it was written.
func (p Pattern) String() string { return strings.Join(p.parts, "*") }
