package config

import (
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// fromText converts a text to the value that YAML would have for the field. It is
// for defaults, the environment and flags. A text that does not fit is returned
// unchanged, and convert reports it.
func fromText(n *node, text string) any {
	if n.shape != scalar {
		return text
	}
	switch n.typ.Kind() {
	case reflect.Bool:
		if text == "true" || text == "false" {
			return text == "true"
		}
	case reflect.Int:
		if number, err := strconv.Atoi(text); err == nil {
			return number
		}
	}
	return text
}

// fromOutside is fromText for any shape: lists of texts are separated by commas,
// anything deeper is YAML.
func fromOutside(n *node, text string) (any, error) {
	switch n.shape {
	case scalar:
		return fromText(n, text), nil
	case texts:
		if !strings.HasPrefix(text, "[") {
			list := []any{}
			for part := range strings.SplitSeq(text, ",") {
				if part = strings.TrimSpace(part); part != "" {
					list = append(list, part)
				}
			}
			return list, nil
		}
	}
	var value any
	if err := yaml.Unmarshal([]byte(text), &value); err != nil {
		return nil, errors.New("is not valid YAML")
	}
	return stringKeys(value), nil
}

// stringKeys converts every key to a string, as a number or a date may be a name
// too.
func stringKeys(value any) any {
	switch v := value.(type) {
	case map[any]any:
		fields := make(map[string]any, len(v))
		for name, field := range v {
			fields[fmt.Sprint(name)] = stringKeys(field)
		}
		return fields
	case map[string]any:
		for name, field := range v {
			v[name] = stringKeys(field)
		}
	case []any:
		for i := range v {
			v[i] = stringKeys(v[i])
		}
	}
	return value
}
