package rules_test

import (
	"encoding/json"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"sluice/hub/jsonscan"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func jsonText(s string) string { return string(jsonscan.AppendString(nil, s)) }

// isStrict reports whether a text is JSON as the steps receive it.
func isStrict(data string) bool {
	return jsonscan.Check([]byte(data), 64) == nil && jsonscan.CheckNames([]byte(data), 0) == nil &&
		!strings.Contains(data, `\u`) // encoding/json reads half a character as another one
}

var integer = regexp.MustCompile(`^(0|-?[1-9][0-9]*)$`)

// find is a reader of JSON pointers by encoding/json.
func find(data, pointer string) (text string, ok bool) {
	decoder := json.NewDecoder(strings.NewReader(data))
	decoder.UseNumber()
	var at any
	if decoder.Decode(&at) != nil {
		return "", false
	}
	for name := range strings.SplitSeq(pointer[1:], "/") {
		name = strings.ReplaceAll(strings.ReplaceAll(name, "~1", "/"), "~0", "~")
		switch in := at.(type) {
		case map[string]any:
			if at, ok = in[name]; !ok {
				return "", false
			}
		case []any:
			n, err := strconv.Atoi(name)
			if err != nil || n < 0 || n >= len(in) || strconv.Itoa(n) != name {
				return "", false
			}
			at = in[n]
		default:
			return "", false
		}
	}
	switch found := at.(type) {
	case string:
		return found, found != ""
	case json.Number:
		return found.String(), integer.MatchString(found.String())
	}
	return "", false
}
