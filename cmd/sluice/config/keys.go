package config

import (
	"maps"
	"reflect"
	"slices"
	"strconv"
)

// refused are plausible keys that are not accepted, with the reason.
var refused = map[string]string{
	"tls/autocert": "automatic certificates are in tls/acme",
	"autocert":     "automatic certificates are in tls/acme",
}

// elsewhere maps names for inline secrets to the fields for secrets in files.
var elsewhere = map[string]string{
	"password":      "password_file",
	"secret":        "secret_file",
	"client_secret": "client_secret_file",
	"key":           "key_file",
}

// completion fills a Config in from the values that were read.
type completion struct {
	faults *faults
	dir    string // the base of relative file names
}

// complete checks the keys and shapes of a value against the schema, converts what it
// holds to the types of the fields, and stores it in to, with the defaults of missing
// fields. A value with a fault is left out. It reports false where nothing was stored.
func (c *completion) complete(value any, n *node, path string, to reflect.Value) bool {
	f := c.faults
	switch n.shape {
	case section:
		if on, ok := value.(bool); ok && n.isSwitch {
			if !on {
				return true // the section is left out
			}
			value = map[string]any{}
		}
		return c.section(value, n, path, to)
	case table:
		fields, ok := value.(map[string]any)
		if !ok {
			f.add(path, "expected a mapping of names to sections, got %s", describe(value))
			return false
		}
		to.Set(reflect.MakeMap(to.Type()))
		for _, name := range slices.Sorted(maps.Keys(fields)) {
			entry := reflect.New(to.Type().Elem()).Elem()
			c.section(orEmpty(fields[name]), n, join(path, name), entry)
			to.SetMapIndex(reflect.ValueOf(name), entry)
		}
	case sections:
		list, ok := value.([]any)
		if !ok {
			f.add(path, "expected a list of sections, got %s", describe(value))
			return false
		}
		to.Set(reflect.MakeSlice(to.Type(), len(list), len(list)))
		for i := range list {
			c.section(list[i], n, join(path, strconv.Itoa(i)), to.Index(i))
		}
	case texts:
		list, ok := value.([]any)
		if !ok {
			f.add(path, "expected a list, got %s", describe(value))
			return false
		}
		to.Set(reflect.MakeSlice(to.Type(), 0, len(list)))
		for i := range list {
			if one, ok := c.convert(list[i], n, join(path, strconv.Itoa(i))); ok {
				to.Set(reflect.Append(to, one))
			}
		}
	case textTable:
		fields, ok := value.(map[string]any)
		if !ok {
			f.add(path, "expected a mapping of names to values, got %s", describe(value))
			return false
		}
		to.Set(reflect.MakeMap(to.Type()))
		for _, name := range slices.Sorted(maps.Keys(fields)) {
			if one, ok := c.convert(fields[name], n, join(path, name)); ok {
				to.SetMapIndex(reflect.ValueOf(name), one)
			}
		}
	case scalar:
		one, ok := c.convert(value, n, path)
		if !ok {
			return false
		}
		to.Set(one)
	}
	return true
}

// convert converts one value to the type of its field. It reports false for a value
// that has a fault.
func (c *completion) convert(value any, n *node, path string) (one reflect.Value, ok bool) {
	if value == nil {
		c.faults.add(path, "has no value: set a value, or remove the entry")
		return reflect.Value{}, false
	}
	converted, err := convert(value, n.typ, c.dir)
	if err != nil {
		c.faults.add(path, "%s", err)
		return reflect.Value{}, false
	}
	return reflect.ValueOf(converted).Convert(n.typ), true
}

func (c *completion) section(value any, n *node, path string, to reflect.Value) bool {
	f := c.faults
	fields, ok := value.(map[string]any)
	if !ok {
		f.add(path, "expected a section of fields, got %s", describe(value))
		return false
	}
	if to.Kind() == reflect.Pointer {
		to.Set(reflect.New(to.Type().Elem()))
		to = to.Elem()
	}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if at := join(path, name); n.field(name) == nil {
			f.add(at, "%s", unknown(at, name, n))
		}
	}
	for _, child := range n.fields {
		at, field := join(path, child.name), to.FieldByIndex(child.index)
		value, given := fields[child.name]
		// The fields of a section that is not optional can all be missing.
		isHeading := child.shape == section && !child.optional
		switch {
		case given && value != nil && c.complete(value, child, at, field):
			continue
		case given && value == nil && !isHeading:
			f.add(at, "has no value: set a value, or remove the key")
		}
		switch {
		case child.hasValue:
			c.complete(fromText(child, child.value), child, at, field)
		case isHeading:
			c.section(map[string]any{}, child, at, field)
		}
	}
	return true
}

// unknown returns why a key is not accepted.
func unknown(path, name string, n *node) string {
	if reason, ok := refused[path]; ok {
		return reason
	}
	if file, ok := elsewhere[name]; ok && n.field(file) != nil {
		return "secrets are read from files: set " + file
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
		return "a string"
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
