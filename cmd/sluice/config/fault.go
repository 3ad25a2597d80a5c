package config

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Fault is one error in a configuration.
type Fault struct {
	// Path names the field, such as streams/market.ticks/topic. It is empty if the
	// fault is not in a field: the file cannot be read, or is not YAML.
	Path string
	// Source is the environment variable or flag that set the field, or the file if
	// the fault is in the file as a whole. It is empty for a field that the file
	// set.
	Source string
	// File and Line are where the field is in the file that set it, or the section that
	// lacks it, or where the file is not YAML. They are empty if neither is in a file.
	File string
	Line int
	// Message describes what is wrong and what is expected. It never contains a
	// secret.
	Message string
}

func (f Fault) String() string {
	switch {
	case f.Line > 0 && f.Path == "":
		return fmt.Sprintf("%s:%d: %s", f.File, f.Line, f.Message)
	case f.Line > 0:
		return fmt.Sprintf("%s:%d: %s: %s", f.File, f.Line, f.Path, f.Message)
	case f.Path == "" && f.Source == "":
		return f.Message
	case f.Path == "":
		return f.Source + ": " + f.Message
	case f.Source == "":
		return f.Path + ": " + f.Message
	}
	return f.Path + " (" + f.Source + "): " + f.Message
}

// Faults is the error of Load: all faults, sorted by path, never empty.
type Faults []Fault

func (fs Faults) Error() string {
	var b strings.Builder
	if len(fs) == 1 {
		b.WriteString("the configuration has 1 error:")
	} else {
		fmt.Fprintf(&b, "the configuration has %d errors:", len(fs))
	}
	for _, f := range fs {
		b.WriteString("\n  " + f.String())
	}
	return b.String()
}

// faults collects the faults while a configuration is loaded.
type faults struct {
	list    []Fault
	sources map[string]string // by path, the variable or flag that set the field; none for the file
}

func (f *faults) add(path, format string, args ...any) {
	f.list = append(f.list, Fault{Path: path, Source: f.source(path), Message: fmt.Sprintf(format, args...)})
}

// unread adds the faults of a file as a whole: one fault for each duplicate key if
// the YAML is otherwise well formed.
func (f *faults) unread(file string, err error) {
	messages := []string{err.Error()}
	var many *yaml.TypeError
	if errors.As(err, &many) {
		messages = many.Errors
	}
	for _, m := range messages {
		fault := Fault{Source: file, Message: m}
		if at := place.FindStringSubmatch(m); at != nil {
			fault.File, fault.Message = file, at[2]
			fault.Line, _ = strconv.Atoi(at[1]) // of digits
		}
		f.list = append(f.list, fault)
	}
}

// place is how the YAML library says where a fault is.
var place = regexp.MustCompile(`^(?:yaml: )?line (\d+): (.*)$`)

// addOnce adds a fault of a later stage, unless an earlier stage has reported one at
// the path or above it: a value that could not be read then appears to be missing.
func (f *faults) addOnce(path, format string, args ...any) {
	for _, have := range f.list {
		if have.Path == path || have.Path != "" && strings.HasPrefix(path, have.Path+"/") {
			return
		}
	}
	f.add(path, format, args...)
}

// below reports whether there is a fault at a path or below it.
func (f *faults) below(path string) bool {
	return slices.ContainsFunc(f.list, func(have Fault) bool {
		return have.Path == path || strings.HasPrefix(have.Path, path+"/")
	})
}

// source returns what set a field or the section that contains it.
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
