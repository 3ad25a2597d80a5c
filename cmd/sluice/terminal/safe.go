package terminal

import (
	"io"
	"strconv"
	"unicode"
	"unicode/utf8"
)

// AppendSafe appends text of others for a terminal. What a terminal could take for a command
// is written as in JSON, such as \u001b for ESC: control characters other than tabs and line
// ends, bytes that are not UTF-8, and characters that change the direction of text.
func AppendSafe(dst, text []byte) []byte {
	for len(text) > 0 {
		r, size := utf8.DecodeRune(text)
		switch {
		case r == utf8.RuneError && size == 1:
			dst = append(dst, `\x`...)
			dst = append(dst, hex[text[0]>>4], hex[text[0]&15])
		case r == '\n' || r == '\t':
			dst = append(dst, byte(r))
		case unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r):
			dst = append(dst, `\u`...)
			digits := strconv.FormatInt(int64(r), 16)
			dst = append(append(dst, "0000"[len(digits):]...), digits...)
		default:
			dst = append(dst, text[:size]...)
		}
		text = text[size:]
	}
	return dst
}

// Safely returns a writer for text of others, which is written as AppendSafe does if out is a
// terminal. A text must not be cut within a character.
func Safely(out io.Writer) io.Writer {
	if !Is(out) {
		return out
	}
	return safe{out}
}

type safe struct{ out io.Writer }

func (s safe) Write(b []byte) (int, error) {
	if _, err := s.out.Write(AppendSafe(nil, b)); err != nil {
		return 0, err
	}
	return len(b), nil
}

const hex = "0123456789abcdef"
