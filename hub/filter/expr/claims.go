package expr

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
	"cel.dev/cel-go/parser"

	"sluice/hub/jsonscan"
)

// members are the claims of a principal, by name.
type members map[string]*lazy

func membersOf(claims []byte) members {
	made := make(members)
	for name, value := range jsonscan.Members(claims) {
		if text, ok := jsonscan.Unquote(name); ok {
			made[text] = &lazy{raw: value, depth: 1}
		}
	}
	return made
}

// value returns the claims as a variable of an expression.
func (m members) value() ref.Val { return types.NewMap(values, m) }

// verdict is what is known of an expression without a record.
type verdict uint8

const (
	depends verdict = iota // on the record
	always                 // it is true
	never                  // it is not true: false, or an error
)

// remainder is what remains of an expression when the claims are known.
type remainder struct {
	verdict verdict
	text    string // if it depends on the record
}

// rest returns what remains of a rule. Only what decides whether the rule is true is
// taken apart, which are the operands of conjunctions and disjunctions: of these, an
// operand that is an error is the same as one that is false. (Partial evaluation as the
// library has it is of no use here: it drops operands of other types than true and
// false, and so turns rules that are an error into rules that are true.)
func (m members) rest(l *Language, rule *ast.AST) (remainder, error) {
	rule = ast.Copy(rule) // it is changed
	return m.restOf(l, rule.Expr(), rule.SourceInfo())
}

func (m members) restOf(l *Language, e ast.Expr, info *ast.SourceInfo) (remainder, error) {
	for operator, settles := range map[string]verdict{operators.LogicalAnd: never, operators.LogicalOr: always} {
		args := argsOf(e, operator)
		if args == nil {
			continue
		}
		left, err := m.restOf(l, args[0], info)
		if err != nil || left.verdict == settles {
			return left, err
		}
		right, err := m.restOf(l, args[1], info)
		switch {
		case err != nil || right.verdict == settles || left.verdict != depends:
			return right, err
		case right.verdict != depends:
			return left, nil
		case operator == operators.LogicalAnd:
			return remainder{text: "(" + left.text + ") && (" + right.text + ")"}, nil
		default:
			return remainder{text: "(" + left.text + ") || (" + right.text + ")"}, nil
		}
	}
	if !mentions(e, recordVariables...) {
		return m.decide(l, e, info)
	}
	if !usesMacros(e, info) {
		if missing := m.substitute(e, true); missing {
			return remainder{verdict: never}, nil
		}
	}
	text, err := parser.Unparse(e, info)
	if err != nil {
		return remainder{}, fmt.Errorf("write rule: %w", err)
	}
	return remainder{text: text}, nil
}

// decide evaluates an expression that needs no record.
func (m members) decide(l *Language, e ast.Expr, info *ast.SourceInfo) (remainder, error) {
	text, err := parser.Unparse(e, info)
	if err != nil {
		return remainder{}, fmt.Errorf("write rule: %w", err)
	}
	checked, err := l.check(l.rule, text)
	if err != nil {
		return remainder{}, fmt.Errorf("compile rule: %w", err)
	}
	program, err := l.program(l.rule, checked, true)
	if err != nil {
		return remainder{verdict: never}, nil //nolint:nilerr // an error is not true
	}
	result, _, err := program.Eval(map[string]any{varClaims: m.value()})
	if err := costOf(err); err != nil {
		return remainder{}, err
	}
	if truth(result) {
		return remainder{verdict: always}, nil
	}
	return remainder{verdict: never}, nil
}

// substitute replaces claims in an expression by their values. It reports whether a
// claim is missing without which the expression is an error; strict is whether e is
// always evaluated.
func (m members) substitute(e ast.Expr, strict bool) (missing bool) {
	if path := claimPath(e); path != nil {
		value, ok := m.find(path)
		if !ok {
			return strict
		}
		if literal := literalOf(e.ID(), value); literal != nil {
			e.SetKindCase(literal)
		}
		return false
	}
	switch e.Kind() {
	case ast.SelectKind:
		return m.substitute(e.AsSelect().Operand(), strict && !e.AsSelect().IsTestOnly())
	case ast.CallKind:
		call := e.AsCall()
		switch call.FunctionName() {
		case operators.LogicalAnd, operators.LogicalOr, operators.Conditional:
			strict = false
		}
		if call.IsMemberFunction() {
			missing = m.substitute(call.Target(), strict)
		}
		for _, arg := range call.Args() {
			missing = m.substitute(arg, strict) || missing
		}
	case ast.ListKind:
		for _, element := range e.AsList().Elements() {
			missing = m.substitute(element, strict) || missing
		}
	}
	return missing
}

// find returns the claim at a path. It reports false if there is none.
func (m members) find(path []string) (ref.Val, bool) {
	at := m.value()
	for _, name := range path {
		object, ok := at.(traits.Mapper)
		if !ok {
			return nil, false
		}
		if at, ok = object.Find(types.String(name)); !ok || types.IsError(at) {
			return nil, false
		}
	}
	return at, true
}

// claimPath returns the names in claims.a.b or claims["a"]["b"], nil for other
// expressions.
func claimPath(e ast.Expr) (path []string) {
	for {
		switch {
		case e.Kind() == ast.IdentKind && e.AsIdent() == varClaims:
			slices.Reverse(path)
			return path
		case e.Kind() == ast.SelectKind && !e.AsSelect().IsTestOnly():
			path = append(path, e.AsSelect().FieldName())
			e = e.AsSelect().Operand()
		default:
			args := argsOf(e, operators.Index)
			if args == nil || !isLiteral(args[1]) {
				return nil
			}
			name, ok := args[1].AsLiteral().(types.String)
			if !ok {
				return nil
			}
			path = append(path, string(name))
			e = args[0]
		}
	}
}

// literalOf returns a scalar, or a list of scalars, as an expression. It returns nil
// for other values.
func literalOf(id int64, v ref.Val) ast.Expr {
	switch v := v.(type) {
	case types.String, types.Double, types.Bool, types.Null:
		return nodes.NewLiteral(id, v)
	case traits.Lister:
		size, _ := v.Size().(types.Int)
		elements := make([]ast.Expr, 0, size)
		for i := range size {
			element := v.Get(i)
			if _, nested := element.(traits.Lister); nested {
				return nil
			}
			literal := literalOf(id, element)
			if literal == nil {
				return nil
			}
			elements = append(elements, literal)
		}
		return nodes.NewList(id, elements, nil)
	}
	return nil
}

// used returns the claims that an expression still refers to, so that a change of
// others makes no other filter.
func (m members) used(e ast.Expr) bound {
	all, names := false, make(map[string]bool)
	var visit func(e ast.Expr)
	visit = func(e ast.Expr) {
		if path := claimPath(e); len(path) > 0 {
			names[path[0]] = true
			return
		}
		switch e.Kind() {
		case ast.IdentKind:
			all = all || e.AsIdent() == varClaims
		case ast.SelectKind:
			if s := e.AsSelect(); s.IsTestOnly() && s.Operand().Kind() == ast.IdentKind && s.Operand().AsIdent() == varClaims {
				names[s.FieldName()] = true
				return
			}
			visit(e.AsSelect().Operand())
		default:
			for _, child := range children(e) {
				visit(child)
			}
		}
	}
	visit(e)
	if !all && len(names) == 0 {
		return bound{}
	}
	some := m
	if !all {
		some = make(members)
		for name := range names {
			if value, ok := m[name]; ok {
				some[name] = value
			}
		}
	}
	var canonical strings.Builder
	for _, name := range slices.Sorted(maps.Keys(some)) {
		_, _ = fmt.Fprintf(&canonical, "%q:%s,", name, some[name].raw)
	}
	return bound{claims: some.value(), canonical: canonical.String()}
}

var recordVariables = []string{varKey, varHeaders, varData, varTS, varPartition, varOffset}

// mentions reports whether an expression uses one of some variables.
func mentions(e ast.Expr, names ...string) bool {
	found := false
	ast.PostOrderVisit(e, ast.NewExprVisitor(func(e ast.Expr) {
		if e.Kind() == ast.IdentKind && slices.Contains(names, e.AsIdent()) {
			found = true
		}
	}))
	return found
}

// usesMacros reports whether a part of an expression is written as a macro, which is
// kept besides what it stands for.
func usesMacros(e ast.Expr, info *ast.SourceInfo) bool {
	found := false
	ast.PostOrderVisit(e, ast.NewExprVisitor(func(e ast.Expr) {
		if _, ok := info.GetMacroCall(e.ID()); ok {
			found = true
		}
	}))
	return found
}
