package schema

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"golang.org/x/text/language"
	"golang.org/x/text/message"
)

// dialect is the only version of JSON Schema.
const dialect = "https://json-schema.org/draft/2020-12/schema"

// base is the name of the file for the library, against which references are resolved.
const base = "file:///schema.json"

var errOutside = errors.New("refers to another file or a metaschema: a schema can refer to itself only, such as by #/$defs/NAME, or to an $id in it")

// Compile compiles a schema. The error says where in the file the fault is.
func Compile(text []byte) (*JSON, error) {
	d, err := newDocument(text)
	if err != nil {
		return nil, err
	}
	if s, ok := d.root.(map[string]any); ok && s["$schema"] != nil && s["$schema"] != dialect && s["$schema"] != dialect+"#" {
		return nil, fmt.Errorf("$schema must be %s, or be left out", dialect)
	}
	c := &compiler{
		document: d, library: jsonschema.NewCompiler(),
		nodes: map[*jsonschema.Schema]*node{}, pointers: map[*node]string{}, resources: map[string]*resource{},
	}
	c.library.DefaultDraft(jsonschema.Draft2020)
	c.library.AssertFormat()
	c.library.UseLoader(nothing{})
	c.library.UseRegexpEngine(func(text string) (jsonschema.Regexp, error) { return newPattern(text) })
	if err := c.library.AddResource(base, d.root); err != nil {
		return nil, err
	}
	compiled, err := c.compile(base)
	if err != nil {
		return nil, err
	}
	j := &JSON{text: slices.Clone(text), tag: tagOf(text), root: c.node(compiled)}
	for len(c.pending) > 0 && c.err == nil {
		next := c.pending[0]
		c.pending = c.pending[1:]
		c.fill(next)
	}
	if c.err != nil {
		return nil, c.err
	}
	slices.Sort(c.unknown)
	j.unknown = c.unknown
	if at := endless(c.filled); at != nil {
		return nil, fmt.Errorf("%s refers to itself for the same value, which never ends", place(c.pointers[at]))
	}
	return j, nil
}

// compile has the library compile a schema. A file that makes it panic must not end a
// server that reads it while it runs.
func (c *compiler) compile(at string) (s *jsonschema.Schema, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("the schema cannot be compiled: %v", cause)
		}
	}()
	if s, err = c.library.Compile(at); err != nil {
		return nil, explained(err)
	}
	return s, nil
}

// nothing is what is outside of a file.
type nothing struct{}

// Load implements jsonschema.URLLoader.
func (nothing) Load(string) (any, error) { return nil, errOutside }

// compiler makes nodes of the library's form of a schema.
type compiler struct {
	*document
	library   *jsonschema.Compiler
	nodes     map[*jsonschema.Schema]*node
	filled    []*node
	pointers  map[*node]string // of those
	resources map[string]*resource
	pending   []*jsonschema.Schema
	unknown   []string
	err       error
}

// node returns the node of a schema, which is filled later, nil for nil.
func (c *compiler) node(s *jsonschema.Schema) *node {
	if s == nil {
		return nil
	}
	if n := c.nodes[s]; n != nil {
		return n
	}
	n := &node{}
	c.nodes[s] = n
	c.pending = append(c.pending, s)
	return n
}

func (c *compiler) list(all []*jsonschema.Schema) []*node {
	var nodes []*node
	for _, s := range all {
		nodes = append(nodes, c.node(s))
	}
	return nodes
}

// fail keeps the first error, and where it is.
func (c *compiler) fail(at, format string, args ...any) {
	if c.err == nil {
		c.err = fmt.Errorf("%s %w", place(at), fmt.Errorf(format, args...))
	}
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

// resource returns the resource at a pointer, with its dynamic anchors.
func (c *compiler) resource(at string) *resource {
	if r := c.resources[at]; r != nil {
		return r
	}
	r := &resource{dynamicAnchors: map[string]*node{}}
	c.resources[at] = r
	for name, pointer := range c.dynamicAnchors[at] {
		s, err := c.compile(base + "#" + (&url.URL{Path: pointer}).EscapedPath())
		if err != nil {
			c.err = err
			break
		}
		r.dynamicAnchors[name] = c.node(s)
	}
	return r
}

// explained puts an error of the library into words: what the metaschema finds wrong, and
// where.
func explained(err error) error {
	if load, ok := errors.AsType[*jsonschema.LoadURLError](err); ok {
		return fmt.Errorf("a reference to %.200s %w", strings.TrimPrefix(load.URL, "file:///"), errOutside)
	}
	var invalid *jsonschema.SchemaValidationError
	var cause *jsonschema.ValidationError
	if !errors.As(err, &invalid) || !errors.As(invalid.Err, &cause) {
		return fmt.Errorf("%s", strings.ReplaceAll(err.Error(), base, ""))
	}
	for len(cause.Causes) > 0 {
		cause = cause.Causes[0]
	}
	return fmt.Errorf("%s is not a schema: %s", place(join(cause.InstanceLocation)), cause.ErrorKind.LocalizedString(message.NewPrinter(language.English)))
}
