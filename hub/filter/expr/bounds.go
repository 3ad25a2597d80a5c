package expr

import (
	"regexp"
	"regexp/syntax"
	"strings"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/overloads"
	"cel.dev/cel-go/common/types"
)

const (
	// maxNodes bounds the nodes of an expression, those of expanded macros included.
	maxNodes = 2000
	// maxDeep bounds how deep parts of an expression are in others.
	maxDeep = 250
	// maxNested bounds how many lists, maps and macros are in one another. Each is a type
	// made of the one in it, and to check types takes more than the square of their depth.
	maxNested = 20
	// maxMade bounds how many lists, maps and macros there are: to check types takes the
	// square of their number.
	maxMade = 400
	// maxRegex bounds the size of the compiled patterns of matches in an expression,
	// together.
	maxRegex = 1000
	// maxClasses bounds the classes of characters, such as \pL, in these patterns: one takes
	// some 20 µs and 5 KB.
	maxClasses = 32
)

// bounded refuses an expression that has been parsed if to compile it could take long.
func bounded(parsed *ast.AST) (bounds, error) {
	b := bounds{info: parsed.SourceInfo()}
	b.visit(parsed.Expr(), 0)
	if b.fault != nil {
		return bounds{}, b.fault
	}
	return b, nil
}

// bounds counts what an expression consists of, until that is too much.
type bounds struct {
	info                        *ast.SourceInfo
	nodes, made, regex, classes int
	fault                       *Error
}

func (b *bounds) visit(e ast.Expr, nested int) {
	if b.nodes++; b.nodes > maxNodes {
		b.fault = whole("the filter has more than %d parts: names, literals and operations", maxNodes)
	}
	switch e.Kind() {
	case ast.ListKind, ast.MapKind, ast.ComprehensionKind:
		if nested++; nested > maxNested {
			b.refuse(e, "more than %d lists, maps and macros are in one another, where macros such as exists and map count twice", maxNested)
		}
		if b.made++; b.made > maxMade {
			b.refuse(e, "the filter has more than %d lists, maps and macros", maxMade)
		}
	case ast.StructKind:
		b.refuse(e, "there are no messages in filters, only lists and maps")
	case ast.SelectKind:
		e = e.AsSelect().Operand()
		if b.fault == nil {
			b.visit(e, nested)
		}
		return
	case ast.CallKind:
		if e.AsCall().FunctionName() == overloads.Matches {
			b.pattern(e.AsCall())
		}
	}
	for _, child := range children(e) {
		if b.fault != nil {
			return
		}
		b.visit(child, nested)
	}
}

// pattern checks the pattern of matches.
func (b *bounds) pattern(call ast.CallExpr) {
	if len(call.Args()) == 0 {
		return // which is a fault of its own
	}
	e := call.Args()[len(call.Args())-1]
	if !isLiteral(e) {
		// It would be compiled for each record.
		b.refuse(e, "the pattern of matches is not a literal")
		return
	}
	pattern, ok := e.AsLiteral().(types.String)
	if !ok {
		return // likewise
	}
	text := string(pattern)
	if b.classes += classesIn(text); b.classes > maxClasses {
		b.refuse(e, "the patterns of matches have more than %d classes such as \\pL", maxClasses)
		return
	}
	if folds.MatchString(text) && wide.MatchString(text) {
		b.refuse(e, "a pattern that ignores case, with (?i), has a range of characters beyond ASCII")
		return
	}
	tree, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		b.refuse(e, "invalid matches argument: %v", err)
		return
	}
	if b.regex += instructions(tree, maxRegex); b.regex > maxRegex {
		b.refuse(e, "invalid matches argument: the patterns of matches have more than %d characters, with repetitions written out", maxRegex)
	}
}

// refuse reports a fault at an expression.
func (b *bounds) refuse(e ast.Expr, format string, args ...any) {
	b.fault = whole(format, args...)
	if at := b.info.GetStartLocation(e.ID()); at.Line() > 0 {
		b.fault.Places[0].Line, b.fault.Places[0].Column = at.Line(), at.Column()+1
	}
}

func classesIn(pattern string) int {
	return strings.Count(pattern, `\p`) + strings.Count(pattern, `\P`) + strings.Count(pattern, "[:")
}

// The parser goes through such a range character by character, for which it takes some
// 5 ms.
var (
	folds = regexp.MustCompile(`\(\?[a-zA-Z]*i`)
	wide  = regexp.MustCompile(`-(\\x\{|[^\x00-\x7f])`)
)

// instructions returns about how many instructions a pattern is compiled to, or some
// number above most. A repetition is compiled to as many copies as it can have.
func instructions(re *syntax.Regexp, most int) int {
	n := 1
	switch re.Op {
	case syntax.OpLiteral:
		n = len(re.Rune)
	case syntax.OpCharClass:
		n += len(re.Rune) / 64
	}
	for _, sub := range re.Sub {
		if n > most {
			return n
		}
		n += instructions(sub, most)
	}
	if re.Op == syntax.OpRepeat {
		// The product of nested repetitions is bounded by the parser.
		n *= max(1, re.Min, re.Max)
	}
	return n
}
