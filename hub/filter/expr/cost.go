package expr

import (
	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/overloads"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
)

// cheap reports whether an expression costs little on every record, so that the cost
// need not be counted, which takes longer than the evaluation: it has no loops, and
// each operation has a literal on one side, so that it reads no more of a value than
// the literal is long.
func cheap(e ast.Expr) bool {
	switch e.Kind() {
	case ast.LiteralKind, ast.IdentKind:
		return true
	case ast.SelectKind:
		return cheap(e.AsSelect().Operand())
	case ast.CallKind:
	default:
		return false
	}
	call := e.AsCall()
	args := call.Args()
	if call.IsMemberFunction() {
		args = append([]ast.Expr{call.Target()}, args...)
	}
	for _, arg := range args {
		if arg.Kind() != ast.ListKind && !cheap(arg) {
			return false
		}
	}
	switch call.FunctionName() {
	case operators.LogicalAnd, operators.LogicalOr, operators.LogicalNot, operators.Conditional:
		return !hasList(args)
	case operators.Equals, operators.NotEquals, operators.Less, operators.LessEquals, operators.Greater, operators.GreaterEquals:
		return isLiteral(args[0]) || isLiteral(args[1])
	case overloads.StartsWith, overloads.EndsWith, operators.Index:
		return isLiteral(args[1])
	case operators.In:
		return literals(args[1]) != nil && args[0].Kind() != ast.ListKind
	}
	return false
}

// work tells the cost of operations that read values of any size. The library counts
// such an operation as one where the types of its operands are only known when it is
// evaluated, as with all that is in a record.
type work struct{ most int }

// CallCost implements cost.ActualCostEstimator.
func (w work) CallCost(function, _ string, args []ref.Val, result ref.Val) *uint64 {
	n := 1
	switch function {
	case operators.Add:
		n += w.weigh(result, w.most)
	case operators.Equals, operators.NotEquals, operators.Less, operators.LessEquals, operators.Greater, operators.GreaterEquals:
		n += min(w.weigh(args[0], w.most), w.weigh(args[1], w.most))
	case operators.In:
		if list, ok := args[1].(traits.Lister); ok {
			n += w.weigh(list, w.most)
		}
	default:
		return nil
	}
	cost := uint64(n)
	return &cost
}

// bytesEach is how many bytes of a text cost as much as a value.
const bytesEach = 10

// weigh returns about how many values and tens of bytes a value consists of, up to some
// more than most.
func (w work) weigh(v ref.Val, most int) int {
	switch v := v.(type) {
	case types.String:
		return len(v) / bytesEach
	case types.Bytes:
		return len(v) / bytesEach
	case traits.Lister:
		size, ok := v.Size().(types.Int)
		n := 0
		for i := types.Int(0); ok && i < size && n < most; i++ {
			n += 1 + w.weigh(v.Get(i), most-n)
		}
		return n
	case traits.Mapper:
		n := 0
		for it := v.Iterator(); it.HasNext() == types.True && n < most; {
			n += 1 + w.weigh(v.Get(it.Next()), most-n)
		}
		return n
	}
	return 0
}

func hasList(args []ast.Expr) bool {
	for _, arg := range args {
		if arg.Kind() == ast.ListKind {
			return true
		}
	}
	return false
}

func isLiteral(e ast.Expr) bool { return e.Kind() == ast.LiteralKind }

// fewLiterals bounds a list that is searched one by one.
const fewLiterals = 64

// literals returns the elements of a list of at most fewLiterals literals, nil for
// other expressions.
func literals(e ast.Expr) []ast.Expr {
	if e.Kind() != ast.ListKind || e.AsList().Size() > fewLiterals {
		return nil
	}
	elements := e.AsList().Elements()
	for _, element := range elements {
		if !isLiteral(element) {
			return nil
		}
	}
	return elements
}

// literalPatterns refuses patterns of matches that are not literals: such a pattern
// would be compiled for each record.
type literalPatterns struct{}

// Name implements cel.ASTValidator.
func (literalPatterns) Name() string { return "sluice.literal_patterns" }

// Validate implements cel.ASTValidator.
func (literalPatterns) Validate(_ *cel.Env, _ cel.ValidatorConfig, a *ast.AST, issues *cel.Issues) {
	ast.PostOrderVisit(a.Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		if e.Kind() != ast.CallKind || e.AsCall().FunctionName() != overloads.Matches {
			return
		}
		args := e.AsCall().Args()
		if pattern := args[len(args)-1]; !isLiteral(pattern) {
			issues.ReportErrorAtID(pattern.ID(), "the pattern of matches is not a literal")
		}
	}))
}
