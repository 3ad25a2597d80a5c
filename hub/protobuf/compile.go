package protobuf

import (
	"errors"
	"fmt"
	"strings"

	"github.com/bufbuild/protocompile/linker"
	"github.com/bufbuild/protocompile/options"
	"github.com/bufbuild/protocompile/parser"
	"github.com/bufbuild/protocompile/reporter"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

// Bounds of a schema with all that it imports.
const (
	maxText   = 1 << 20
	maxFiles  = 65
	maxImport = 20 // how deep imports go
)

// File is a file that others import.
type File struct {
	// Name is the path by which it is imported.
	Name string
	Text string
}

var (
	// errParse does not say what is wrong: that may quote the schema.
	errParse = errors.New("it is not a schema of Protobuf, or imports files that it does not name in its references")
	errLarge = fmt.Errorf("it has more than %d bytes or %d files with all that it imports, or nests more than %d levels deep", maxText, maxFiles, maxBrackets)
)

// Compile compiles a schema. Others are the files that it imports, directly or not, in any
// order; those of the standard need not be among them, and are not replaced.
func Compile(text string, others ...File) (made *Schema, err error) {
	c := compiler{texts: map[string]string{}, done: map[string]linker.File{}, symbols: &linker.Symbols{}, files: new(protoregistry.Files)}
	bytes := len(text)
	for _, other := range others {
		bytes += len(other.Text)
		c.texts[other.Name] = other.Text
	}
	if bytes > maxText || len(others) >= maxFiles {
		return nil, errLarge
	}
	name := "schema.proto"
	for c.texts[name] != "" {
		name = "_" + name
	}
	c.texts[name] = text
	// The library is trusted with the memory that the bounds allow, and with nothing else.
	defer func() {
		if recover() != nil {
			made, err = nil, errParse
		}
	}()
	if _, err := c.file(name, 0); err != nil {
		return nil, err
	}
	return build(c.order)
}

// compiler compiles files, each after those that it imports.
type compiler struct {
	texts   map[string]string
	done    map[string]linker.File // nil while it is compiled
	symbols *linker.Symbols
	files   *protoregistry.Files // the same, of which the other library knows what editions change
	order   []protoreflect.FileDescriptor
}

func (c *compiler) file(name string, depth int) (linker.File, error) {
	if was, ok := c.done[name]; ok || depth > maxImport {
		if was == nil {
			return nil, errParse // a cycle
		}
		return was, nil
	}
	c.done[name] = nil
	made, err := c.load(name, depth)
	if err != nil {
		return nil, err
	}
	c.done[name] = made
	return made, c.add(name, made)
}

// add keeps the descriptor of a file that was compiled.
func (c *compiler) add(name string, compiled linker.File) error {
	made := standardFile(name)
	if made == nil {
		var err error
		if made, err = protodesc.NewFile(protodesc.ToFileDescriptorProto(compiled), c.files); err != nil {
			return errParse
		}
	}
	if c.files.RegisterFile(made) != nil {
		return errParse
	}
	c.order = append(c.order, made)
	return nil
}

func (c *compiler) load(name string, depth int) (linker.File, error) {
	if known := standardFile(name); known != nil {
		for i := range known.Imports().Len() {
			if _, err := c.file(known.Imports().Get(i).Path(), depth+1); err != nil {
				return nil, err
			}
		}
		return linker.NewFileRecursive(known)
	}
	text, ok := c.texts[name]
	if !ok {
		if text, ok = annotated[name]; !ok {
			return nil, errParse
		}
	}
	source, ok := prepared(text)
	if !ok {
		return nil, errLarge
	}
	handler := reporter.NewHandler(nil) // stops at the first fault
	tree, err := parser.Parse(name, strings.NewReader(source), handler)
	if err != nil {
		return nil, errParse
	}
	parsed, err := parser.ResultFromAST(tree, true, handler)
	if err != nil {
		return nil, errParse
	}
	var imports linker.Files
	for _, path := range parsed.FileDescriptorProto().GetDependency() {
		imported, err := c.file(path, depth+1)
		if err != nil {
			return nil, err
		}
		imports = append(imports, imported)
	}
	linked, err := linker.Link(parsed, imports, c.symbols, handler)
	if err != nil {
		return nil, errParse
	}
	if _, err := options.InterpretOptions(linked, handler); err != nil {
		return nil, errParse
	}
	if err := linked.ValidateOptions(handler, c.symbols); err != nil || handler.Error() != nil {
		return nil, errParse
	}
	linked.RemoveAST()
	return linked, nil
}
