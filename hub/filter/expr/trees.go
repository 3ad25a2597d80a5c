package expr

import (
	"cel.dev/cel-go/common/ast"
)

var nodes = ast.NewExprFactory()

// children returns the parts of an expression.
func children(e ast.Expr) []ast.Expr {
	switch e.Kind() {
	case ast.CallKind:
		call := e.AsCall()
		if call.IsMemberFunction() {
			return append([]ast.Expr{call.Target()}, call.Args()...)
		}
		return call.Args()
	case ast.ListKind:
		return e.AsList().Elements()
	case ast.MapKind:
		var parts []ast.Expr
		for _, entry := range e.AsMap().Entries() {
			parts = append(parts, entry.AsMapEntry().Key(), entry.AsMapEntry().Value())
		}
		return parts
	case ast.ComprehensionKind:
		c := e.AsComprehension()
		return []ast.Expr{c.IterRange(), c.AccuInit(), c.LoopCondition(), c.LoopStep(), c.Result()}
	}
	return nil
}

// argsOf returns the operands of a call of a function, nil for other expressions.
func argsOf(e ast.Expr, function string) []ast.Expr {
	if e.Kind() == ast.CallKind && e.AsCall().FunctionName() == function {
		return e.AsCall().Args()
	}
	return nil
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
