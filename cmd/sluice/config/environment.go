package config

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/knadh/koanf/providers/env/v2"
	"github.com/knadh/koanf/v2"
)

// environmentPrefix is the prefix of all variables that are read.
const environmentPrefix = "SLUICE_"

// FileVariable is the environment variable that names the configuration file if no
// flag does.
const FileVariable = environmentPrefix + "CONFIG"

// ServerVariable and TokenVariable are for the commands that connect to a server.
const (
	ServerVariable = environmentPrefix + "SERVER"
	TokenVariable  = environmentPrefix + "TOKEN"
)

// foreign reports whether a variable with the prefix is not a field.
func foreign(name string) bool {
	switch name {
	case FileVariable, ServerVariable, TokenVariable:
		return true
	}
	return !strings.Contains(name, "__") && orchestrated.MatchString(name)
}

// orchestrated matches variables that Kubernetes sets for services whose names begin
// with sluice. No field has such a name.
var orchestrated = regexp.MustCompile(`^SLUICE_([A-Z0-9_]+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)$`)

// loadEnvironment overrides the fields in k by the environment. A nil environ means
// the environment of the process.
func loadEnvironment(k *koanf.Koanf, environ []string, f *faults) error {
	options := env.Opt{
		Prefix: environmentPrefix,
		TransformFunc: func(name, text string) (string, any) {
			if foreign(name) {
				return "", nil
			}
			path, n, problem := variable(name, k)
			if problem != "" {
				f.list = append(f.list, Fault{Source: name, Message: problem})
				return "", nil
			}
			f.sources[path] = name
			value, err := fromOutside(n, text)
			if err != nil {
				f.add(path, "%s", err)
				return "", nil
			}
			return path, value
		},
	}
	if environ != nil {
		options.EnvironFunc = func() []string { return environ }
	}
	fields, err := env.Provider("", options).Read()
	if err != nil {
		return err
	}
	// A section is set before its fields, so that both can be given.
	for _, path := range slices.Sorted(maps.Keys(fields)) {
		if err := k.Set(path, fields[path]); err != nil {
			return err
		}
	}
	return nil
}

// variable finds the field that an environment variable sets, or returns why there
// is none.
func variable(name string, k *koanf.Koanf) (path string, n *node, problem string) {
	n = schema()
	inTable := false
	for part := range strings.SplitSeq(strings.TrimPrefix(name, environmentPrefix), "__") {
		switch {
		case n.shape == table && !inTable:
			entry, problem := entryFor(part, k.MapKeys(path))
			if problem != "" {
				return "", nil, problem
			}
			path, inTable = join(path, entry), true
			continue
		case n.shape == section || inTable:
			child := n.field(strings.ToLower(part))
			if child == nil {
				problem := unknown(join(path, strings.ToLower(part)), strings.ToLower(part), n)
				if meant := levels(part, n); meant != "" {
					problem += ": two underscores separate levels, as in " + strings.TrimSuffix(name, part) + meant
				}
				return "", nil, problem
			}
			path, n, inTable = join(path, child.name), child, false
			continue
		}
		return "", nil, "unknown key: " + path + " has no fields that can be set"
	}
	if inTable {
		return "", nil, "set one of the fields of " + path
	}
	return path, n, ""
}

// levels returns a part of a variable's name that stands for several levels below a section, with
// these separated, and "" if it does not.
func levels(part string, n *node) string {
	for _, child := range n.fields {
		name := variableName(child.name)
		if part == name {
			return name
		}
		if rest, ok := strings.CutPrefix(part, name+"_"); ok && child.shape == section {
			if below := levels(rest, child); below != "" {
				return name + "__" + below
			}
		}
	}
	return ""
}

// entryFor finds the table entry whose name has this form in an environment
// variable.
func entryFor(part string, names []string) (name, problem string) {
	var found []string
	for _, n := range names {
		if variableName(n) == part {
			found = append(found, n)
		}
	}
	switch len(found) {
	case 0:
		return "", "the file has no entry with the name " + part
	case 1:
		return found[0], ""
	}
	return "", part + " is ambiguous: " + strings.Join(found, ", ")
}

// variableName returns a name in the form that environment variables use.
func variableName(name string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z':
			return r - 'a' + 'A'
		case 'A' <= r && r <= 'Z', '0' <= r && r <= '9':
			return r
		}
		return '_'
	}, name)
}
