package config

import (
	"maps"
	"slices"
	"strconv"
)

// refused are keys that somebody may well write, with the reason why they are
// not taken.
var refused = map[string]string{
	"tls/client_ca_file": "client certificates are not supported yet",
	"tls/autocert":       "automatic certificates are not supported yet: give cert_file and key_file",
	"autocert":           "automatic certificates are not supported yet: give tls/cert_file and tls/key_file",
}

// elsewhere are names for secrets that stand in files.
var elsewhere = map[string]string{
	"password": "password_file",
	"secret":   "secret_file",
	"key":      "key_file",
}

// completion goes through the fields that were read.
type completion struct {
	faults *faults
	dir    string // what relative file names are relative to
}

// complete checks the keys and shapes of what was read against the schema,
// converts every value to its field's type, takes out what has faults, and puts
// in the defaults of what is missing. It returns what is left, nil for nothing.
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
		// An element with a fault leaves a hole that no rule should look at.
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

// unknown says why a key is not taken.
func unknown(path, name string, n *node) string {
	if reason, ok := refused[path]; ok {
		return reason
	}
	if file, ok := elsewhere[name]; ok && n.field(file) != nil {
		return "a secret does not stand in the configuration: give " + file
	}
	return "unknown key" + suggest(name, n.names())
}

// orEmpty gives an element without fields, which YAML writes as nothing, the
// chance to have its missing fields named.
func orEmpty(value any) any {
	if value == nil {
		return map[string]any{}
	}
	return value
}

// describe names a value by its kind, without showing it.
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
