package config

import (
	"maps"
	"slices"
	"strconv"
)

// refused are plausible keys that are not accepted, with the reason.
var refused = map[string]string{
	"tls/client_ca_file": "client certificates are not supported yet",
	"tls/autocert":       "automatic certificates are not supported yet: give cert_file and key_file",
	"autocert":           "automatic certificates are not supported yet: give tls/cert_file and tls/key_file",
}

// elsewhere maps names for inline secrets to the fields for secrets in files.
var elsewhere = map[string]string{
	"password": "password_file",
	"secret":   "secret_file",
	"key":      "key_file",
}

// completion processes the fields that were read.
type completion struct {
	faults *faults
	dir    string // the base of relative file names
}

// complete checks the keys and shapes of the fields against the schema, converts
// every value to its field's type, removes values with faults, and sets the defaults
// of missing fields. It returns the remaining value, nil for nothing.
func (c *completion) complete(value any, n *node, path string) any {
	f := c.faults
	switch n.shape {
	case section:
		return c.section(value, n, path)
	case table:
		fields, ok := value.(map[string]any)
		if !ok {
			f.add(path, "expected names with a section each, got %s", describe(value))
			return nil
		}
		for _, name := range slices.Sorted(maps.Keys(fields)) {
			fields[name] = c.section(orEmpty(fields[name]), n, join(path, name))
		}
		return fields
	case sections:
		list, ok := value.([]any)
		if !ok {
			f.add(path, "expected a list of sections, got %s", describe(value))
			return nil
		}
		for i := range list {
			list[i] = c.section(list[i], n, join(path, strconv.Itoa(i)))
		}
		return list
	case texts:
		list, ok := value.([]any)
		if !ok {
			f.add(path, "expected a list, got %s", describe(value))
			return nil
		}
		for i := range list {
			list[i] = c.scalar(list[i], n, join(path, strconv.Itoa(i)))
		}
		// An element with a fault leaves nil in the list, which no rule should
		// check.
		return slices.DeleteFunc(list, func(v any) bool { return v == nil })
	case textTable:
		fields, ok := value.(map[string]any)
		if !ok {
			f.add(path, "expected names with a value each, got %s", describe(value))
			return nil
		}
		for _, name := range slices.Sorted(maps.Keys(fields)) {
			fields[name] = c.scalar(fields[name], n, join(path, name))
		}
		return fields
	}
	return c.scalar(value, n, path)
}

// scalar converts one value, and returns nil for one that has a fault.
func (c *completion) scalar(value any, n *node, path string) any {
	if value == nil {
		c.faults.add(path, "has no value: give one, or leave it out")
		return nil
	}
	converted, err := convert(value, n.typ, c.dir)
	if err != nil {
		c.faults.add(path, "%s", err)
		return nil
	}
	return converted
}

func (c *completion) section(value any, n *node, path string) any {
	f := c.faults
	fields, ok := value.(map[string]any)
	if !ok {
		f.add(path, "expected a section of fields, got %s", describe(value))
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		at := join(path, name)
		child := n.field(name)
		if child == nil {
			f.add(at, "%s", unknown(at, name, n))
			delete(fields, name)
			continue
		}
		if fields[name] == nil && child.shape == section && !child.optional {
			fields[name] = map[string]any{} // a heading whose fields are all commented out
		}
		if fields[name] == nil {
			f.add(at, "has no value: give one, or leave the key out")
			delete(fields, name)
			continue
		}
		if fields[name] = c.complete(fields[name], child, at); fields[name] == nil {
			delete(fields, name)
		}
	}
	for _, child := range n.fields {
		if _, ok := fields[child.name]; ok {
			continue
		}
		switch {
		case child.hasValue:
			fields[child.name] = c.scalar(fromText(child, child.value), child, join(path, child.name))
		case child.shape == section && !child.optional:
			fields[child.name] = c.section(map[string]any{}, child, join(path, child.name))
		}
	}
	return fields
}

// unknown returns why a key is not accepted.
func unknown(path, name string, n *node) string {
	if reason, ok := refused[path]; ok {
		return reason
	}
	if file, ok := elsewhere[name]; ok && n.field(file) != nil {
		return "a secret does not stand in the configuration: give " + file
	}
	return "unknown key" + suggest(name, n.names())
}

// orEmpty turns an element without fields, which YAML parses as null, into an empty
// section, so that its missing fields are reported.
func orEmpty(value any) any {
	if value == nil {
		return map[string]any{}
	}
	return value
}

// describe names the kind of a value without showing it.
func describe(value any) string {
	switch v := value.(type) {
	case nil:
		return "nothing"
	case string:
		return "text"
	case bool:
		return strconv.FormatBool(v)
	case int, int64, uint64, float64:
		return "a number"
	case []any:
		return "a list"
	case map[string]any:
		return "a section"
	}
	return "something else"
}
