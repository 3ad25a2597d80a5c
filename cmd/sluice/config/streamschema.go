package config

import (
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"

	schemas "sluice/hub/schema"
)

// Schema is what the values of a stream match.
type Schema struct {
	JSON Path `koanf:"json" validate:"required,readable_file" doc:"file that contains a JSON Schema, draft 2020-12, at most 1 MiB, which refers to nothing outside of it. Read again on SIGHUP"`

	// Text is the content of the file, and Unknown are the pointers of its keywords that
	// have no effect.
	Text    []byte   `koanf:"-" validate:"-"`
	Unknown []string `koanf:"-" validate:"-"`
}

// Name returns the name of the schema: of its file, without the folder.
func (s *Schema) Name() string { return filepath.Base(string(s.JSON)) }

// checkSchemas checks that the values of streams with a schema are JSON.
func checkSchemas(c *Config, f *faults) {
	for _, name := range slices.Sorted(maps.Keys(c.Streams)) {
		stream, path := c.Streams[name], join("streams", name)+"/schema"
		switch {
		case stream.Schema == nil:
		case stream.Content != "json":
			f.addOnce(path, "values can match a schema only if they are JSON: set content: json")
		case name == c.Audit.Stream:
			f.addOnce(path, "the server itself writes this stream: remove schema")
		}
	}
}

// readSchemas reads the schemas, and checks that they are some.
func readSchemas(c *Config, f *faults) {
	for _, name := range slices.Sorted(maps.Keys(c.Streams)) {
		s, path := c.Streams[name].Schema, join("streams", name)+"/schema/json"
		if s == nil || s.JSON == "" || f.below(path) {
			continue
		}
		var err error
		if s.Text, err = readAtMost(string(s.JSON), schemas.MaxText+1); err != nil {
			f.add(path, "%s", err)
			continue
		}
		compiled, err := schemas.Compile(s.Text)
		if err != nil {
			f.add(path, "%s: %s", s.JSON, err)
			continue
		}
		s.Unknown = compiled.Unknown()
	}
}

// readAtMost reads the beginning of a file.
func readAtMost(name string, most int64) ([]byte, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return io.ReadAll(io.LimitReader(file, most))
}

// schemaWarnings returns warnings about keywords that have no effect.
func (c *Config) schemaWarnings() []string {
	const most = 10
	var list []string
	for _, name := range slices.Sorted(maps.Keys(c.Streams)) {
		s := c.Streams[name].Schema
		if s == nil {
			continue
		}
		for _, pointer := range s.Unknown[:min(len(s.Unknown), most)] {
			list = append(list, fmt.Sprintf("the schema of stream %s has an unknown keyword, which has no effect, at %s in %s; names that begin with x- are not reported", name, pointer, s.Name()))
		}
	}
	return list
}
