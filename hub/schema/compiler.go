package schema

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"golang.org/x/text/language"
	"golang.org/x/text/message"
)

// base is the name of the file for the library, against which references are resolved.
const base = "file:///schema.json"

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
	unknown   []string // keywords of no draft
	misplaced []string // keywords that have no effect where they are
	formats   []string // those that are not known
	anyFormat bool
	err       error
}

// libraryDraft are the drafts in the form of the library.
var libraryDraft = map[Draft]*jsonschema.Draft{
	Draft04: jsonschema.Draft4, Draft06: jsonschema.Draft6, Draft07: jsonschema.Draft7,
	Draft2019: jsonschema.Draft2019, Draft2020: jsonschema.Draft2020,
}

func newCompiler(d *document, anyFormat bool) (*compiler, error) {
	c := &compiler{
		document: d, library: jsonschema.NewCompiler(), anyFormat: anyFormat,
		nodes: map[*jsonschema.Schema]*node{}, pointers: map[*node]string{}, resources: map[string]*resource{},
	}
	c.library.DefaultDraft(libraryDraft[d.draft])
	c.library.AssertFormat()
	c.library.UseLoader(nothing{})
	c.library.UseRegexpEngine(func(text string) (jsonschema.Regexp, error) { return newPattern(text) })
	return c, c.library.AddResource(base, d.root)
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

// compile has the library compile a schema. A file that makes it panic must not end a
// server that reads it while it runs.
func (c *compiler) compile(at string) (s *jsonschema.Schema, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("the schema cannot be compiled: %v", cause)
		}
	}()
	if s, err = c.library.Compile(at); err != nil {
		return nil, c.explained(err)
	}
	return s, nil
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
func (d *document) explained(err error) error {
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
	hint := ""
	if !d.named {
		hint = fmt.Sprintf(" (in %s; for another draft, name it in $schema)", d.draft)
	}
	return fmt.Errorf("%s is not a schema: %s%s", place(join(cause.InstanceLocation)), cause.ErrorKind.LocalizedString(message.NewPrinter(language.English)), hint)
}
