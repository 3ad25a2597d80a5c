package config

import (
	"fmt"
	"io"
	"net/netip"
	"reflect"
	"strings"
	"time"
)

// Reference writes every field with its meaning, bounds and default, as a YAML file
// in which fields without a default are commented out.
func Reference(w io.Writer) error {
	var b strings.Builder
	for _, n := range schema().fields {
		b.WriteString("\n")
		n.write(&b, "", false)
	}
	_, err := io.WriteString(w, strings.TrimPrefix(b.String(), "\n"))
	return err
}

// write adds a field to the reference. If off is set, a section above is commented
// out as a whole, and so are its fields.
func (n *node) write(b *strings.Builder, indent string, off bool) {
	fmt.Fprintf(b, "%s# %s\n", indent, n.summary())
	off = off || !n.hasValue && (n.shape != section || n.optional)
	mark := indent
	if off {
		mark = indent + "# "
	}
	switch n.shape {
	case section:
		fmt.Fprintf(b, "%s%s:\n", mark, n.name)
		n.writeFields(b, indent+"  ", off)
	case sections:
		fmt.Fprintf(b, "%s%s:\n%s  -\n", mark, n.name, mark)
		n.writeFields(b, indent+"    ", off)
	case table:
		fmt.Fprintf(b, "%s%s:\n%s  NAME:\n", mark, n.name, mark)
		n.writeFields(b, indent+"    ", off)
	case texts:
		fmt.Fprintf(b, "%s%s: []\n", mark, n.name)
	case textTable:
		fmt.Fprintf(b, "%s%s: {}\n", mark, n.name)
	default:
		fmt.Fprintf(b, "%s\n", strings.TrimRight(mark+n.name+": "+n.value, " "))
	}
}

func (n *node) writeFields(b *strings.Builder, indent string, off bool) {
	for _, f := range n.fields {
		f.write(b, indent, off)
	}
}

// summary returns the meaning, unit and bounds of a field.
func (n *node) summary() string {
	var facts []string
	if kind := n.kind(); kind != "" {
		facts = append(facts, kind)
	}
	for tag := range strings.SplitSeq(n.rules, ",") {
		rule, param, _ := strings.Cut(tag, "=")
		switch rule {
		case "required":
			facts = append(facts, "required")
		case "between":
			low, high, _ := strings.Cut(param, "..")
			facts = append(facts, low+" to "+high)
		case "oneof":
			facts = append(facts, strings.Join(strings.Fields(param), " or "))
		}
	}
	if len(facts) == 0 {
		return n.doc
	}
	return n.doc + " [" + strings.Join(facts, "; ") + "]"
}

// kind names the type of a value.
func (n *node) kind() string {
	if n.unit != "" {
		return n.unit
	}
	switch n.typ {
	case reflect.TypeFor[time.Duration](), reflect.TypeFor[Replay]():
		return "duration"
	case reflect.TypeFor[Size]():
		return "bytes"
	case reflect.TypeFor[Rate]():
		return "rate"
	case reflect.TypeFor[ByteRate]():
		return "rate of bytes"
	case reflect.TypeFor[Path]():
		return "file"
	case reflect.TypeFor[SecretURL]():
		return "URL"
	case reflect.TypeFor[netip.Prefix]():
		return "networks"
	case nil:
		return ""
	}
	switch {
	case n.typ.Kind() == reflect.Bool:
		return "true or false"
	case n.shape == texts:
		return "list of strings"
	case n.shape == textTable:
		return "map of strings"
	}
	return ""
}
