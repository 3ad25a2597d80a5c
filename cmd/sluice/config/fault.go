package config

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Fault is one thing that is wrong with a configuration.
type Fault struct {
	// Path names the field, such as streams/market.ticks/topic. Empty where
	// the fault is in no field: the file cannot be read, or is no YAML.
	Path string
	// Source is the environment variable or flag that set the field. Empty
	// for the file.
	Source string
	// Message says what is wrong, and what would be right. It never holds a
	// secret.
	Message string
}

func (f Fault) String() string {
	switch {
	case f.Path == "" && f.Source == "":
		return f.Message
	case f.Path == "":
		return f.Source + ": " + f.Message
	case f.Source == "":
		return f.Path + ": " + f.Message
	}
	return f.Path + " (" + f.Source + "): " + f.Message
}

// Faults is the error of Load: all that is wrong, sorted by path, never empty.
type Faults []Fault

func (fs Faults) Error() string {
	var b strings.Builder
	if len(fs) == 1 {
		b.WriteString("the configuration has a fault:")
	} else {
		fmt.Fprintf(&b, "the configuration has %d faults:", len(fs))
	}
	for _, f := range fs {
		b.WriteString("\n  " + f.String())
	}
	return b.String()
}

// faults gathers what is wrong while a configuration is loaded.
type faults struct {
	list    []Fault
	sources map[string]string // by path, what set it where that was not the file
}

func (f *faults) add(path, format string, args ...any) {
	f.list = append(f.list, Fault{Path: path, Source: f.source(path), Message: fmt.Sprintf(format, args...)})
}

// unread adds what was wrong with a file as a whole: for YAML that is well
// formed and has keys twice, one fault for each.
func (f *faults) unread(file string, err error) {
	messages := []string{err.Error()}
	var many *yaml.TypeError
	if errors.As(err, &many) {
		messages = many.Errors
	}
	for _, m := range messages {
		f.list = append(f.list, Fault{Source: file, Message: m})
	}
}

// addOnce adds a fault of a later stage, unless an earlier one already has one
// there or in what holds it: a value that could not be read is then missing,
// which is nothing new.
func (f *faults) addOnce(path, format string, args ...any) {
	for _, have := range f.list {
		if have.Path == path || have.Path != "" && strings.HasPrefix(path, have.Path+"/") {
			return
		}
	}
	f.add(path, format, args...)
}

// below reports whether there is a fault in a field or in what it holds.
func (f *faults) below(path string) bool {
	return slices.ContainsFunc(f.list, func(have Fault) bool {
		return have.Path == path || strings.HasPrefix(have.Path, path+"/")
	})
}

// source finds what set a field, or what it lies in.
func (f *faults) source(path string) string {
	for path != "" {
		if s := f.sources[path]; s != "" {
			return s
		}
		path = path[:max(strings.LastIndexByte(path, '/'), 0)]
	}
	return ""
}

func (f *faults) err() error {
	if len(f.list) == 0 {
		return nil
	}
	slices.SortStableFunc(f.list, func(a, b Fault) int { return cmp.Compare(a.Path, b.Path) })
	return Faults(f.list)
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "/" + name
}
