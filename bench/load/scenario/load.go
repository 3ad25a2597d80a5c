package scenario

import (
	"bytes"
	"embed"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

//go:embed files/*.yaml
var files embed.FS

const ending = ".yaml"

// Names lists the built-in scenarios, in the order of the table: by file name, which
// begins with a number.
func Names() []string {
	// The pattern is a valid constant.
	found, _ := fs.Glob(files, "files/*"+ending)
	slices.Sort(found)
	names := make([]string, len(found))
	for i, file := range found {
		names[i] = nameOf(file)
	}
	return names
}

// nameOf returns the scenario's name for a file: without directory, extension, and
// the number that sorts it.
func nameOf(file string) string {
	name := strings.TrimSuffix(path.Base(filepath.ToSlash(file)), ending)
	number, rest, ok := strings.Cut(name, "-")
	if ok && strings.Trim(number, "0123456789") == "" {
		return rest
	}
	return name
}

// Find returns the built-in scenario of that name, or reads the file of that path.
func Find(name string) (Scenario, error) {
	found, _ := fs.Glob(files, "files/*"+ending)
	for _, file := range found {
		if nameOf(file) != name {
			continue
		}
		text, err := files.ReadFile(file)
		if err != nil {
			return Scenario{}, fmt.Errorf("read scenario: %w", err)
		}
		return Parse(name, text)
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return Scenario{}, fmt.Errorf("read scenario %q, which is neither one of [%s] nor a file: %w",
			name, strings.Join(Names(), " "), err)
	}
	return Parse(nameOf(name), text)
}

// Parse parses a scenario from YAML. Unknown fields are errors.
func Parse(name string, text []byte) (Scenario, error) {
	s := Scenario{Name: name}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	if err := decoder.Decode(&s); err != nil {
		return Scenario{}, fmt.Errorf("%w %s: %w", ErrInvalid, name, err)
	}
	s.defaults()
	return s, s.Check()
}
