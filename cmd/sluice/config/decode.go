package config

import (
	"fmt"
	"path/filepath"
	"reflect"
	"strings"
)

// convert converts one YAML value to a field's type. Its error states what is
// expected. Relative file names are relative to dir.
func convert(value any, to reflect.Type, dir string) (any, error) {
	text, isText := value.(string)
	if to == reflect.TypeFor[Path]() {
		if !isText {
			return nil, fmt.Errorf("expected the name of a file, got %s", describe(value))
		}
		if text != "" && !filepath.IsAbs(text) {
			text = filepath.Join(dir, text)
		}
		return Path(text), nil
	}
	if s, ok := syntaxes[to]; ok {
		return s.convert(value)
	}
	switch to.Kind() {
	case reflect.Bool:
		if _, ok := value.(bool); !ok {
			return nil, fmt.Errorf("expected true or false, got %s", describe(value))
		}
	case reflect.Int:
		if _, ok := value.(int); !ok {
			return nil, fmt.Errorf("expected a whole number, got %s", describe(value))
		}
	default:
		if !isText {
			return nil, fmt.Errorf("expected a string, got %s: quote the value if it is a string", describe(value))
		}
	}
	return value, nil
}

// pathOf converts a namespace of the validator, such as streams[market.ticks].topic,
// to a path.
func pathOf(name string) string {
	var path string
	for name != "" {
		var part string
		switch end := strings.IndexAny(name, ".["); {
		case name[0] == '.':
			name = name[1:]
			continue
		case name[0] == '[':
			end := strings.Index(name, "].")
			if end < 0 {
				end = strings.LastIndexByte(name, ']')
			}
			if end < 0 {
				return join(path, name)
			}
			part, name = name[1:end], name[end+1:]
		case end < 0:
			part, name = name, ""
		default:
			part, name = name[:end], name[end:]
		}
		if part != squashed {
			path = join(path, part)
		}
	}
	return path
}

// squashed is how fields in an embedded struct refer to that struct.
const squashed = "(embedded)"
