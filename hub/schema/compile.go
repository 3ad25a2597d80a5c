package schema

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// Options say how a schema is read.
type Options struct {
	// Draft is that of a schema without $schema. The zero value is Draft2020.
	Draft Draft
	// AnyFormat accepts formats that are not known. They have no effect.
	AnyFormat bool
}

// Compile compiles a schema without Options.
func Compile(text []byte) (*JSON, error) { return Options{}.Compile(text) }

// Compile compiles a schema. The error says where in the file the fault is.
func (o Options) Compile(text []byte) (*JSON, error) {
	d, err := newDocument(text, cmp.Or(o.Draft, Draft2020))
	if err != nil {
		return nil, err
	}
	if err := d.collect(d.root, "", "", d.draft); err != nil {
		return nil, err
	}
	c, err := newCompiler(d, o.AnyFormat)
	if err != nil {
		return nil, err
	}
	root, err := c.compile(base)
	if err != nil {
		return nil, err
	}
	j := &JSON{text: slices.Clone(text), tag: tagOf(text), draft: d.draft, root: c.node(root)}
	for len(c.pending) > 0 && c.err == nil {
		next := c.pending[0]
		c.pending = c.pending[1:]
		c.fill(next)
	}
	if c.err != nil {
		return nil, c.err
	}
	if at := endless(c.filled); at != nil {
		return nil, fmt.Errorf("%s refers to itself for the same value, which never ends", place(c.pointers[at]))
	}
	for _, list := range [][]string{c.unknown, c.misplaced, c.formats} {
		slices.Sort(list)
	}
	j.unknown, j.misplaced, j.formats = c.unknown, c.misplaced, c.formats
	return j, nil
}

// fill fills a node.
func (c *compiler) fill(s *jsonschema.Schema) {
	n := c.nodes[s]
	at, err := pointerIn(s.Location, base)
	if err != nil {
		c.fail("a reference", "to %.200s %w", s.Location, err)
		return
	}
	c.filled, c.pointers[n] = append(c.filled, n), at
	n.resource = c.resource(c.resourceOf(at))
	if s.Bool != nil {
		n.always, n.never = *s.Bool, !*s.Bool
		return
	}
	keywords, err := c.object(at)
	if err != nil {
		c.fail(at, "%w", err)
		return
	}
	c.keywords(n, s, at, keywords)
}
