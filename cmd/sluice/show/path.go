package show

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tidwall/gjson"
)

// Path is the place of a field in an event, in the manner of jq: .key, .data.price,
// .data.items[0].id, .data["a b"], .headers.trace. The first dot may be left out, and
// items.0 is items[0].
type Path struct {
	// path is the place for gjson. That of a header is empty.
	path   string
	header string
	// isTime is set for the time of the record, which is ts in words.
	isTime bool
}

// roots are the fields of an event; time is made from ts.
var roots = []string{
	"stream", "partition", "offset", "ts", "time", "key", "key_encoding", "headers", "data", "encoding", "tombstone", "redacted",
	"undecrypted", "feed", "type",
}

// ParsePaths reads paths, separated by commas.
func ParsePaths(text string) ([]Path, error) {
	var paths []Path
	for {
		steps, rest, err := steps(strings.TrimLeft(text, " "))
		if err != nil {
			return nil, fmt.Errorf("field %q: %w", text, err)
		}
		p, err := pathOf(steps)
		if err != nil {
			return nil, fmt.Errorf("field %q: %w", text[:len(text)-len(rest)], err)
		}
		paths = append(paths, p)
		rest = strings.TrimLeft(rest, " ")
		if rest == "" {
			return paths, nil
		}
		text = rest[1:]
	}
}

// ParsePlace reads one path below a value, such as .customer.id, and returns it as gjson has it.
func ParsePlace(text string) (string, error) {
	steps, rest, err := steps(text)
	if err == nil && rest != "" {
		err = errors.New("expected one field")
	}
	if err != nil {
		return "", fmt.Errorf("field %q: %w", text, err)
	}
	return escape(steps), nil
}

func pathOf(steps []string) (Path, error) {
	root := steps[0]
	switch {
	case !slices.Contains(roots, root):
		return Path{}, fmt.Errorf("an event has the fields %s", strings.Join(roots, ", "))
	case root == "headers" && len(steps) == 2 && !isIndex(steps[1]):
		return Path{header: steps[1]}, nil
	case len(steps) > 1 && root != "data" && root != "headers" && root != "undecrypted":
		return Path{}, fmt.Errorf("there is nothing in %s", root)
	case root == "time":
		return Path{path: "ts", isTime: true}, nil
	}
	return Path{path: escape(steps)}, nil
}

func escape(steps []string) string {
	escaped := make([]string, len(steps))
	for i, step := range steps {
		escaped[i] = gjson.Escape(step)
	}
	return strings.Join(escaped, ".")
}

var (
	errStep    = errors.New("a name is missing")
	errBracket = errors.New(`expected a number, or a name in double quotes, and ]`)
)

// steps splits the first path of a text into its names and numbers. The rest is empty or
// begins with a comma.
func steps(text string) (all []string, rest string, err error) {
	rest = strings.TrimPrefix(text, ".")
	for first := true; ; first = false {
		var step string
		switch {
		case strings.HasPrefix(rest, "["):
			step, rest, err = bracket(rest[1:])
		case strings.HasPrefix(rest, `"`):
			step, rest, err = quoted(rest)
		case !first && (rest == "" || rest[0] == ',' || rest[0] == ' '):
			if rest = strings.TrimLeft(rest, " "); rest != "" && rest[0] != ',' {
				return nil, rest, errors.New("fields are separated by commas")
			}
			return all, rest, nil
		case !first && rest[0] != '.':
			return nil, rest, errStep
		default:
			if !first {
				rest = rest[1:]
			}
			if strings.HasPrefix(rest, `"`) {
				step, rest, err = quoted(rest)
				break
			}
			end := strings.IndexAny(rest, ".,[ \"")
			if end < 0 {
				end = len(rest)
			}
			if step, rest = rest[:end], rest[end:]; step == "" {
				err = errStep
			}
		}
		if err != nil {
			return nil, rest, err
		}
		all = append(all, step)
	}
}

// bracket reads what follows an opening bracket: 0] or "name"].
func bracket(text string) (step, rest string, err error) {
	if strings.HasPrefix(text, `"`) {
		if step, rest, err = quoted(text); err != nil {
			return "", text, err
		}
	} else {
		end := strings.IndexByte(text, ']')
		if end <= 0 || !isIndex(text[:end]) {
			return "", text, errBracket
		}
		step, rest = text[:end], text[end:]
	}
	rest, closed := strings.CutPrefix(rest, "]")
	if !closed {
		return "", text, errBracket
	}
	return step, rest, nil
}

// quoted reads a name in double quotes, with the escapes of JSON.
func quoted(text string) (step, rest string, err error) {
	for i := 1; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			if !gjson.Valid(text[:i+1]) {
				return "", text, errBracket
			}
			return gjson.Parse(text[:i+1]).Str, text[i+1:], nil
		}
	}
	return "", text, errBracket
}

func isIndex(step string) bool {
	return step != "" && strings.Trim(step, "0123456789") == ""
}

// find returns the field of an event; it does not exist if the event does not have it. Of
// several headers of a name it is the last one, as Kafka's clients have it.
func (p Path) find(event []byte) gjson.Result {
	if p.header == "" {
		found := gjson.GetBytes(event, p.path)
		if p.isTime && found.Type == gjson.Number {
			return gjson.Result{Type: gjson.String, Str: Time(time.UnixMilli(found.Int()))}
		}
		return found
	}
	var last gjson.Result
	for _, header := range gjson.GetBytes(event, "headers").Array() {
		if parts := header.Array(); len(parts) > 1 && parts[0].Str == p.header {
			last = parts[1]
		}
	}
	return last
}

// Time returns a time as tail prints it: RFC 3339 with milliseconds, in the local time zone.
func Time(t time.Time) string { return t.Format("2006-01-02T15:04:05.000Z07:00") }
