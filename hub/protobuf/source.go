package protobuf

import "strings"

// Bounds of what the library, which recurses, is given.
const (
	maxBrackets = 64
	maxDots     = 200 // parts of a name
)

// longLine is the length from which a line is broken: the library counts the columns of a line
// from its beginning for each position that it notes.
const longLine = 200

// prepared returns a text as the library is given it: the same, in lines that are not long. It
// reports false if brackets nest too deeply, or a name has too many parts. What is in comments
// and strings does not count.
func prepared(text string) (source string, ok bool) {
	depth, dots := 0, 0
	var lines strings.Builder
	line := 0 // where the line begins that is not written yet
	for i := 0; i < len(text); i++ {
		switch c := text[i]; c {
		case '{', '[', '(', '<':
			depth++
		case '}', ']', ')', '>':
			depth--
		case ';', ',', '=', ':':
		case '.':
			dots++
			continue
		case '"', '\'':
			i = endOfString(text, i)
			continue
		case '/':
			i = endOfComment(text, i)
			continue
		default:
			continue
		}
		if depth > maxBrackets || dots > maxDots {
			return "", false
		}
		dots = 0
		if i-line >= longLine {
			lines.WriteString(text[line : i+1])
			lines.WriteByte('\n')
			line = i + 1
		}
	}
	if dots > maxDots {
		return "", false
	}
	lines.WriteString(text[line:])
	return lines.String(), true
}

// endOfString returns the index of the last byte of a string, which does not go on in another
// line.
func endOfString(text string, i int) int {
	for quote := text[i]; i+1 < len(text); {
		i++
		switch text[i] {
		case quote, '\n':
			return i
		case '\\':
			i++
		}
	}
	return len(text)
}

// endOfComment returns the index of the last byte of a comment, or i if there is none.
func endOfComment(text string, i int) int {
	rest := text[i:]
	end := 0
	switch {
	case strings.HasPrefix(rest, "//"):
		end = strings.IndexByte(rest, '\n')
	case strings.HasPrefix(rest, "/*"):
		if end = strings.Index(rest[2:], "*/"); end >= 0 {
			end += len("/**")
		}
	}
	if end < 0 {
		return len(text)
	}
	return i + end
}
