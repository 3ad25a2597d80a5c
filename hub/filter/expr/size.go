package expr

import (
	"cel.dev/cel-go/common/ast"

	"sluice/hub/filter"
)

// About how many bytes the parts of a compiled filter take, as TestMemory measures.
const (
	filterBytes = 1500 // of any filter
	partBytes   = 150  // of each part of an expression that is evaluated
	ruleBytes   = 500  // of each part of a rule, which is kept as it was parsed
	valueBytes  = 120  // of each value that is found by index
	regexBytes  = 100  // of each instruction of a pattern
	classBytes  = 12 << 10
)

// bytes returns about how many bytes the program of an expression takes.
func (b bounds) bytes(canonical string) int {
	return filterBytes + 2*len(canonical) + partBytes*b.nodes + regexBytes*b.regex + classBytes*b.classes
}

// bytesOfSets returns about how many bytes the keys and values of a filter take that are found
// by index.
func bytesOfSets(f *filter.Filter) int {
	return len(f.Canonical()) + valueBytes*f.Indexed()
}

func bytesOfRule(checked *ast.AST, text string) int {
	return filterBytes + 2*len(text) + ruleBytes*ast.NodeCount(checked)
}

// textBytes returns about how many bytes it takes to keep a filter by its text.
func textBytes(text string) int { return 300 + len(text) }
