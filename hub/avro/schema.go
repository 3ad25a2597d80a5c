package avro

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/twmb/avro"

	"sluice/hub/jsonscan"
)

// maxScale bounds the digits after the point of a decimal.
const maxScale = 1000

// Schema is a schema of Avro.
type Schema struct {
	root *node
	text []byte
	tag  string
	// unusable is why values cannot be encoded.
	unusable error
}

// Text returns the schema, with all that it refers to. It must not be changed.
func (s *Schema) Text() []byte { return s.text }

// Tag returns a text that another schema does not have.
func (s *Schema) Tag() string { return s.tag }

// MediaType returns the type of Text.
func (*Schema) MediaType() string { return "application/vnd.apache.avro+json" }

// Encodes returns an error if values cannot be encoded.
func (s *Schema) Encodes() error { return s.unusable }

// Compile compiles a schema. Others are the schemas that it refers to by the names of their
// types, each after those that it refers to itself.
func Compile(text string, others ...string) (made *Schema, err error) {
	// A fault of the library is one of the schema, and not the end of the server.
	defer func() {
		if recover() != nil {
			made, err = nil, errParse
		}
	}()
	if err := checkExpansion(append([]string{text}, others...)...); err != nil {
		return nil, err
	}
	var cache avro.SchemaCache
	for _, other := range others {
		if _, err := cache.Parse(other); err != nil {
			return nil, errParse
		}
	}
	parsed, err := cache.Parse(text)
	if err != nil {
		return nil, errParse
	}
	c := compiler{named: map[string]*node{}}
	tree := parsed.Root()
	root, err := c.node(tree, "")
	if err != nil {
		return nil, err
	}
	made = &Schema{root: root, text: []byte(text), unusable: encodeDefaults(c.records)}
	if len(others) > 0 {
		whole, err := tree.Schema()
		if err != nil {
			return nil, errParse
		}
		made.text = []byte(whole.String())
	}
	sum := sha256.Sum256(made.text)
	made.tag = hex.EncodeToString(sum[:16])
	return made, nil
}

// errParse does not say what is wrong: that may quote the schema.
var errParse = errors.New("it is not a schema of Avro, or refers to types that it does not name in its references")

// compiler makes nodes of a schema.
type compiler struct {
	named   map[string]*node
	records []record
}

func (c *compiler) node(n *avro.SchemaNode, namespace string) (*node, error) {
	if k, ok := primitives[n.Type]; ok {
		made := &node{kind: k, name: n.Type}
		return made, made.annotate(n)
	}
	switch n.Type {
	case "array":
		return c.with(&node{kind: kindArray, name: "array"}, namespace, n.Items)
	case "map":
		return c.with(&node{kind: kindMap, name: "map"}, namespace, n.Values)
	case "union":
		branches := make([]*avro.SchemaNode, len(n.Branches))
		for i := range n.Branches {
			branches[i] = &n.Branches[i]
		}
		made, err := c.with(&node{kind: kindUnion, name: "union"}, namespace, branches...)
		if err != nil {
			return nil, err
		}
		made.distinguish()
		return made, nil
	case "record", "error", "enum", "fixed":
		return c.define(n)
	}
	for _, name := range []string{namespace + "." + n.Type, n.Type} {
		if made := c.named[name]; made != nil {
			return made, nil
		}
	}
	return nil, fmt.Errorf("the type %.100q is not defined before it is used", n.Type)
}

// define makes a node of a type that has a name.
func (c *compiler) define(n *avro.SchemaNode) (*node, error) {
	full, namespace := n.Name, n.Namespace
	if i := strings.LastIndexByte(full, '.'); i >= 0 {
		namespace = full[:i]
	} else if namespace != "" {
		full = namespace + "." + full
	}
	made := &node{size: n.Size, name: full, places: map[string]int{}}
	c.named[full] = made
	switch n.Type {
	case "enum":
		made.kind = kindEnum
		for i, s := range n.Symbols {
			made.put(s, i)
			made.symbols = append(made.symbols, jsonscan.AppendString(nil, s))
		}
		return made, nil
	case "fixed":
		made.kind = kindFixed
		return made, made.annotate(n)
	}
	made.kind = kindRecord
	fields := make([]*avro.SchemaNode, len(n.Fields))
	for i := range n.Fields {
		fields[i] = &n.Fields[i].Type
		made.names = append(made.names, append(jsonscan.AppendString(nil, n.Fields[i].Name), ':'))
		made.put(n.Fields[i].Name, i)
	}
	c.records = append(c.records, record{made, n.Fields})
	return c.with(made, namespace, fields...)
}

// with adds the types of the parts of a type.
func (c *compiler) with(to *node, namespace string, parts ...*avro.SchemaNode) (*node, error) {
	for _, part := range parts {
		made, err := c.node(part, namespace)
		if err != nil {
			return nil, err
		}
		to.of = append(to.of, made)
	}
	return to, nil
}

// distinguish finds out by what the branches of a union are told apart.
func (n *node) distinguish() {
	n.places = map[string]int{}
	for i, branch := range n.of {
		n.put(branch.name, i)
		for f := range forms {
			if branch.takes(f) {
				n.fitting[f] = append(n.fitting[f], i)
			}
		}
	}
}

// annotate adds a logical type.
func (n *node) annotate(from *avro.SchemaNode) error {
	switch {
	case from.LogicalType == "decimal" && (n.kind == kindBytes || n.kind == kindFixed):
		if n.decimal, n.scale, n.precision = true, from.Scale, from.Precision; n.scale < 0 || n.scale > maxScale || n.size > maxDecimal {
			return fmt.Errorf("a decimal has the scale %d, which is not between 0 and %d, or %d bytes, more than %d", n.scale, maxScale, n.size, maxDecimal)
		}
	case from.LogicalType == "uuid" && (n.kind == kindString || n.kind == kindFixed && n.size == 16):
		n.uuid = true
	}
	return nil
}
