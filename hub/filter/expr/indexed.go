package expr

import (
	"math"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/parser"

	"sluice/hub/filter"
)

// filterOf makes a filter of a checked expression: what can be found by index, and a
// predicate for the rest.
func (l *Language) filterOf(a *ast.AST, with bound) (compiled, error) {
	env := l.client
	if with.claims != nil {
		env = l.rule
	}
	if e := a.Expr(); isLiteral(e) {
		if truth(e.AsLiteral()) {
			return compiled{bytes: filterBytes}, nil
		}
		return compiled{filter.Keys(), filterBytes}, nil
	}
	var made filter.Filter
	var rest string
	for _, part := range conjuncts(a.Expr(), nil) {
		found, exact := equalities(part)
		for _, e := range found {
			made = made.And(e.filter())
		}
		if exact {
			continue
		}
		text, err := parser.Unparse(part, a.SourceInfo())
		if err != nil {
			return compiled{}, whole("the filter cannot be written out: %v", err)
		}
		if rest != "" {
			rest += " && "
		}
		rest += "(" + text + ")"
	}
	bytes := bytesOfSets(&made)
	if rest == "" {
		return compiled{made, bytes}, nil
	}
	p, more, err := l.predicateOf(env, rest, with)
	if err != nil {
		return compiled{}, err
	}
	return compiled{made.And(filter.Where(p)), bytes + more}, nil
}

// conjuncts appends the parts of a conjunction.
func conjuncts(e ast.Expr, parts []ast.Expr) []ast.Expr {
	if args := argsOf(e, operators.LogicalAnd); args != nil {
		return conjuncts(args[1], conjuncts(args[0], parts))
	}
	return append(parts, e)
}

// equality requires that a part of a record is one of some values.
type equality struct {
	key    bool // the part is the key
	field  filter.Field
	values []filter.Value
	texts  []string // of a key
}

func (e equality) filter() filter.Filter {
	if e.key {
		return filter.Keys(e.texts...)
	}
	return filter.In(e.field, e.values...)
}

func (e equality) sameField(other equality) bool {
	return e.key == other.key && (e.key || e.field == other.field)
}

// equalities returns equalities that hold whenever an expression is true, and reports
// whether the expression is true whenever they hold.
func equalities(e ast.Expr) (found []equality, exact bool) {
	if args := argsOf(e, operators.LogicalAnd); args != nil {
		left, exactLeft := equalities(args[0])
		right, exactRight := equalities(args[1])
		return append(left, right...), exactLeft && exactRight
	}
	if args := argsOf(e, operators.LogicalOr); args != nil {
		left, exactLeft := equalities(args[0])
		right, exactRight := equalities(args[1])
		for _, l := range left {
			for _, r := range right {
				if l.sameField(r) {
					l.values = append(l.values[:len(l.values):len(l.values)], r.values...)
					l.texts = append(l.texts[:len(l.texts):len(l.texts)], r.texts...)
					found = append(found, l)
					break
				}
			}
		}
		return found, exactLeft && exactRight && len(left) == 1 && len(right) == 1 && len(found) == 1
	}
	if args := argsOf(e, operators.Equals); args != nil {
		if one, ok := equalTo(args[0], args[1:2]); ok {
			return []equality{one}, true
		}
		if one, ok := equalTo(args[1], args[0:1]); ok {
			return []equality{one}, true
		}
	}
	if args := argsOf(e, operators.In); args != nil && args[1].Kind() == ast.ListKind {
		if one, ok := equalTo(args[0], args[1].AsList().Elements()); ok {
			return []equality{one}, true
		}
	}
	return nil, false
}

// equalTo returns the equality of a part of a record with one of some literals.
func equalTo(part ast.Expr, among []ast.Expr) (equality, bool) {
	made := equality{key: part.Kind() == ast.IdentKind && part.AsIdent() == varKey}
	if !made.key {
		var ok bool
		if made.field, ok = fieldOf(part); !ok {
			return equality{}, false
		}
	}
	for _, e := range among {
		if !isLiteral(e) {
			return equality{}, false
		}
		if made.key {
			text, ok := e.AsLiteral().(types.String)
			if !ok {
				return equality{}, false
			}
			made.texts = append(made.texts, string(text))
			continue
		}
		value, ok := valueOf(e.AsLiteral())
		if !ok {
			return equality{}, false
		}
		made.values = append(made.values, value)
	}
	return made, true
}

// fieldOf returns the field that an expression selects: a header, or members of data.
func fieldOf(e ast.Expr) (filter.Field, bool) {
	var path []string // from the end
	for {
		switch e.Kind() {
		case ast.SelectKind:
			if e.AsSelect().IsTestOnly() {
				return filter.Field{}, false
			}
			path = append(path, e.AsSelect().FieldName())
			e = e.AsSelect().Operand()
		case ast.CallKind:
			args := argsOf(e, operators.Index)
			if args == nil || !isLiteral(args[1]) {
				return filter.Field{}, false
			}
			name, ok := args[1].AsLiteral().(types.String)
			if !ok {
				return filter.Field{}, false
			}
			path = append(path, string(name))
			e = args[0]
		case ast.IdentKind:
			for i, j := 0, len(path)-1; i < j; i, j = i+1, j-1 {
				path[i], path[j] = path[j], path[i]
			}
			switch {
			case e.AsIdent() == varData && len(path) > 0:
				return filter.Data(path...), len(path) <= MaxDepth
			case e.AsIdent() == varHeaders && len(path) == 1:
				return filter.Header(path[0]), true
			}
			return filter.Field{}, false
		default:
			return filter.Field{}, false
		}
	}
}

// maxExact is the largest integer up to which all integers are doubles.
const maxExact = 1 << 53

// valueOf returns a literal as a value of a field.
func valueOf(literal ref.Val) (filter.Value, bool) {
	switch v := literal.(type) {
	case types.String:
		return filter.String(string(v)), true
	case types.Bool:
		return filter.Bool(bool(v)), true
	case types.Null:
		return filter.Null(), true
	case types.Double:
		return filter.Number(float64(v)), !math.IsNaN(float64(v)) && !math.IsInf(float64(v), 0)
	case types.Int:
		return filter.Number(float64(v)), -maxExact <= v && v <= maxExact
	case types.Uint:
		return filter.Number(float64(v)), v <= maxExact
	}
	return filter.Value{}, false
}
