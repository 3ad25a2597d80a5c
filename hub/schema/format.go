package schema

import (
	"fmt"
	"net/netip"
	"regexp"
	"regexp/syntax"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// Bounds of patterns. The time that a pattern takes is at most in proportion to its
// instructions and to the length of the text.
const (
	maxPatternBytes        = 1000
	maxPatternInstructions = 2000
)

// pattern is a compiled pattern, in the syntax of RE2.
type pattern struct {
	*regexp.Regexp
	text         string
	instructions int
}

// newPattern compiles a pattern.
func newPattern(text string) (*pattern, error) {
	instructions, err := size(text)
	if err != nil {
		return nil, err
	}
	compiled, err := regexp.Compile(text)
	if err != nil {
		return nil, err
	}
	return &pattern{Regexp: compiled, text: text, instructions: instructions}, nil
}

// String returns the text of the pattern.
func (p *pattern) String() string { return p.text }

// size returns how many instructions a pattern compiles to.
func size(text string) (int, error) {
	if len(text) > maxPatternBytes {
		return 0, fmt.Errorf("the pattern is longer than %d bytes", maxPatternBytes)
	}
	parsed, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		return 0, fmt.Errorf("%w (patterns have the syntax of RE2, without look-around and back-references)", err)
	}
	compiled, err := syntax.Compile(parsed.Simplify())
	switch {
	case err != nil:
		return 0, err
	case len(compiled.Inst) > maxPatternInstructions:
		return 0, fmt.Errorf("the pattern has %d instructions, more than %d: repeat less in it", len(compiled.Inst), maxPatternInstructions)
	}
	return len(compiled.Inst), nil
}

// steps returns what finding the pattern in a text takes.
func (p *pattern) steps(length int) int { return 1 + length*p.instructions/64 }

// format is a format by its name.
type format struct {
	name  string
	valid func(string) bool
}

// formatNames are the formats that are asserted: those of the standard, except for
// internationalized host names and mail addresses, and templates of URIs.
var formatNames = []string{
	"date", "date-time", "duration", "email", "hostname", "ipv4", "ipv6", "iri", "iri-reference", "json-pointer",
	"regex", "relative-json-pointer", "time", "uri", "uri-reference", "uuid",
}

// stricter has what is checked before the library's check of a format, which accepts some
// texts that the standard does not, or instead of it.
var stricter = map[string]struct {
	valid   func(string) bool
	instead bool
}{
	"duration":      {duration.MatchString, true},
	"email":         {func(s string) bool { return !strings.HasPrefix(s, "@") }, false},
	"ipv4":          {isIPv4, true},
	"regex":         {isPattern, true},
	"uri":           {isURIText, false},
	"uri-reference": {isURIText, false},
}

// newFormat returns a format that the library has.
func newFormat(f *jsonschema.Format) *format {
	own := stricter[f.Name]
	return &format{name: f.Name, valid: func(s string) bool {
		if own.valid != nil && (own.instead || !own.valid(s)) {
			return own.valid(s)
		}
		return f.Validate(s) == nil
	}}
}

// duration is the grammar of RFC 3339, appendix A.
var duration = regexp.MustCompile(`^P(\d+W|(\d+Y(\d+M(\d+D)?)?|\d+M(\d+D)?|\d+D)(T` + durationTime + `)?|T` + durationTime + `)$`)

const durationTime = `(\d+H(\d+M(\d+S)?)?|\d+M(\d+S)?|\d+S)`

func isIPv4(s string) bool {
	ip, err := netip.ParseAddr(s)
	return err == nil && ip.Is4()
}

// isURIText reports whether a text consists of characters that a URI can have (RFC 3986,
// section 2).
func isURIText(s string) bool {
	for i := range len(s) {
		c := s[i]
		if c <= ' ' || c >= 0x7f || strings.IndexByte("\"<>\\^`{|}", c) >= 0 {
			return false
		}
	}
	return true
}

// isPattern reports whether a client's text is a pattern. It does not compile it: that can
// take much more memory than the text.
func isPattern(text string) bool {
	if len(text) > maxPatternBytes {
		return false
	}
	_, err := syntax.Parse(text, syntax.Perl)
	return err == nil
}
