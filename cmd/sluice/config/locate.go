package config

import (
	"os"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// locate adds to the faults of fields that the file has set where they are in it, or, of a
// field that is missing, where the section is that lacks it.
func locate(list []Fault, file string) {
	b, err := os.ReadFile(file)
	if err != nil {
		return // it was there a moment ago; the faults are worth more than their places
	}
	var document yaml.Node
	if yaml.Unmarshal(b, &document) != nil || len(document.Content) == 0 {
		return
	}
	for i := range list {
		if f := &list[i]; f.Path != "" && f.Source == "" {
			if line := lineOf(document.Content[0], f.Path); line > 0 {
				f.File, f.Line = file, line
			}
		}
	}
}

// lineOf returns the line of the last field of a path that a document has, 0 if it has not
// even the first.
func lineOf(node *yaml.Node, path string) (line int) {
	for path != "" {
		for node.Kind == yaml.AliasNode {
			node = node.Alias
		}
		next, rest, at := child(node, path)
		if next == nil {
			return line
		}
		node, path, line = next, rest, at
	}
	return line
}

// child returns the node of a section or list that a path begins with, the rest of the path,
// and the line of the field. As names may have slashes in them, the longest that fits is
// taken.
func child(node *yaml.Node, path string) (next *yaml.Node, rest string, line int) {
	switch node.Kind {
	case yaml.MappingNode:
		longest := -1
		for i := 0; i+1 < len(node.Content); i += 2 {
			key := node.Content[i]
			after, ok := strings.CutPrefix(path, key.Value)
			if !ok || after != "" && after[0] != '/' || len(key.Value) <= longest {
				continue
			}
			longest = len(key.Value)
			next, rest, line = node.Content[i+1], strings.TrimPrefix(after, "/"), key.Line
		}
	case yaml.SequenceNode:
		number, after, _ := strings.Cut(path, "/")
		if i, err := strconv.Atoi(number); err == nil && i >= 0 && i < len(node.Content) {
			return node.Content[i], after, node.Content[i].Line
		}
	case yaml.DocumentNode, yaml.ScalarNode, yaml.AliasNode:
	}
	return next, rest, line
}
