package terminal

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"golang.org/x/term"
)

// When says when to use colours. It is the value of a flag.
type When string

// The values of When.
const (
	// Auto uses colours on a terminal, unless the variable NO_COLOR is set to anything
	// (no-color.org) or TERM is dumb.
	Auto   When = "auto"
	Always When = "always"
	Never  When = "never"
)

// Whens are the values of When.
var Whens = []string{string(Auto), string(Always), string(Never)}

// Set implements pflag.Value.
func (w *When) Set(text string) error {
	if !slices.Contains(Whens, text) {
		return fmt.Errorf("must be one of %s", strings.Join(Whens, ", "))
	}
	*w = When(text)
	return nil
}

// String implements pflag.Value.
func (w *When) String() string { return string(*w) }

// Type implements pflag.Value.
func (*When) Type() string { return "when" }

// Colors reports whether to use colours on an output, by the environment.
func (w When) Colors(out any, getenv func(string) string) bool {
	switch w {
	case Always:
		return true
	case Never:
		return false
	}
	return Is(out) && getenv("NO_COLOR") == "" && getenv("TERM") != "dumb"
}

// Is reports whether an input or output is a terminal.
func Is(file any) bool {
	f, ok := file.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// Sequences of ECMA-48, section 8.3.117 (SGR).
const (
	plain  = "\x1b[0m"
	name   = "\x1b[34m" // blue
	text   = "\x1b[32m" // green
	number = "\x1b[36m" // cyan
	word   = "\x1b[35m" // magenta: true, false, null
)

// AppendJSON appends a JSON text in colours. What is not JSON is appended as it is.
func AppendJSON(dst, json []byte) []byte {
	for len(json) > 0 {
		length, color := token(json)
		if color == "" {
			dst = append(dst, json[:length]...)
		} else {
			dst = append(append(append(dst, color...), json[:length]...), plain...)
		}
		json = json[length:]
	}
	return dst
}

// token returns the length of the first token, at least 1, and its colour, "" for none.
func token(json []byte) (length int, color string) {
	switch c := json[0]; {
	case c == '"':
		length = stringLength(json)
		rest := strings.TrimLeft(string(json[length:min(length+8, len(json))]), " \t\r\n")
		if strings.HasPrefix(rest, ":") {
			return length, name
		}
		return length, text
	case c == '-' || c >= '0' && c <= '9':
		return span(json, "+-.0123456789eE"), number
	case c == 't' || c == 'f' || c == 'n':
		return span(json, "aeflnrstu"), word
	}
	return 1, ""
}

// stringLength returns the length of the string that begins a JSON text, with its quotes.
func stringLength(json []byte) int {
	for i := 1; i < len(json); i++ {
		switch json[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(json)
}

// span returns how many of the first bytes are of a set, at least 1.
func span(b []byte, set string) int {
	n := 1
	for n < len(b) && strings.IndexByte(set, b[n]) >= 0 {
		n++
	}
	return n
}
