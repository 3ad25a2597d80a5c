package avro

import (
	"errors"
	"fmt"
	"strings"

	"github.com/twmb/avro"

	"sluice/hub/jsonscan"
)

// maxScale bounds the digits after the point of a decimal.
const maxScale = 1000

// Schema is a schema of Avro.
type Schema struct{ root *node }

// Compile compiles a schema. Others are the schemas that it refers to by the names of their
// types, each after those that it refers to itself.
func Compile(text string, others ...string) (*Schema, error) {
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
	root, err := c.node(parsed.Root(), "")
	if err != nil {
		return nil, err
	}
	return &Schema{root}, nil
}

// errParse does not say what is wrong: that may quote the schema.
var errParse = errors.New("it is not a schema of Avro, or refers to types that it does not name in its references")

// compiler makes nodes of a schema.
type compiler struct{ named map[string]*node }

func (c *compiler) node(n *avro.SchemaNode, namespace string) (*node, error) {
	if k, ok := primitives[n.Type]; ok {
		made := &node{kind: k}
		return made, made.annotate(n)
	}
	switch n.Type {
	case "array":
		return c.with(&node{kind: kindArray}, namespace, n.Items)
	case "map":
		return c.with(&node{kind: kindMap}, namespace, n.Values)
	case "union":
		branches := make([]*avro.SchemaNode, len(n.Branches))
		for i := range n.Branches {
			branches[i] = &n.Branches[i]
		}
		return c.with(&node{kind: kindUnion}, namespace, branches...)
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
	made := &node{size: n.Size}
	c.named[full] = made
	switch n.Type {
	case "enum":
		made.kind = kindEnum
		for _, s := range n.Symbols {
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
	}
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

// annotate adds a logical type.
func (n *node) annotate(from *avro.SchemaNode) error {
	switch {
	case from.LogicalType == "decimal" && (n.kind == kindBytes || n.kind == kindFixed):
		if n.decimal, n.scale = true, from.Scale; n.scale < 0 || n.scale > maxScale {
			return fmt.Errorf("a decimal has the scale %d, which is not between 0 and %d", n.scale, maxScale)
		}
	case from.LogicalType == "uuid" && n.kind == kindFixed && n.size == 16:
		n.uuid = true
	}
	return nil
}
