package expr

import (
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/functions"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/overloads"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
	"cel.dev/cel-go/interpreter"
)

// call is a call of a function whose cost is counted before it is evaluated: an equality of
// two lists with the same list in them many times over could take for ever, and a
// pattern many times as long as an evaluation may take.
type call struct {
	interpreter.InterpretableCall
	args     []interpreter.InterpretableV2
	function *functions.Overload // nil for what only operands have
}

// pricing returns what replaces the calls in a program whose cost is counted.
func (e environment) pricing(i interpreter.InterpretableV2) (interpreter.InterpretableV2, error) {
	of, ok := i.(interpreter.InterpretableCall)
	if !ok {
		return i, nil
	}
	switch of.Function() {
	case operators.NotStrictlyFalse:
		return i, nil // which looks at errors, too, and costs little
	case overloads.Matches:
		return newMatching(of)
	}
	if among, ok := newAmong(of); ok {
		return among, nil
	}
	made := &call{InterpretableCall: of, args: of.Args()}
	if made.function = e.functions[of.OverloadID()]; made.function == nil {
		made.function = e.functions[of.Function()]
	}
	return made, nil
}

// OverloadID implements interpreter.InterpretableCall. It is none that the library would
// optimize, and so charge nothing for.
func (c *call) OverloadID() string { return "" }

// Eval implements interpreter.Interpretable.
func (c *call) Eval(vars interpreter.Activation) ref.Val {
	return interpreter.EvalActivation(vars, c.Exec)
}

// Exec implements interpreter.InterpretableV2.
func (c *call) Exec(frame *interpreter.ExecutionFrame) ref.Val {
	var few [2]ref.Val
	args := few[:0]
	for _, arg := range c.args {
		v := arg.Exec(frame)
		if types.IsUnknownOrError(v) {
			return v
		}
		args = append(args, v)
	}
	if costs := frame.CostTracker(); costs != nil {
		costs.EvalVarArgs(frame, c.ID(), c, args, nil)
	}
	return c.result(args)
}

func (c *call) result(args []ref.Val) ref.Val {
	switch c.Function() {
	case operators.Equals:
		return types.Equal(args[0], args[1])
	case operators.NotEquals:
		return types.Bool(types.Equal(args[0], args[1]) != types.True)
	case operators.Add:
		if joined := joinLists(args[0], args[1]); joined != nil {
			return joined
		}
	}
	f := c.function
	if f != nil && (len(args) == 0 || f.OperandTrait == 0 || args[0].Type().HasTrait(f.OperandTrait)) {
		switch {
		case len(args) == 1 && f.Unary != nil:
			return f.Unary(args[0])
		case len(args) == 2 && f.Binary != nil:
			return f.Binary(args[0], args[1])
		case f.Function != nil:
			return f.Function(args...)
		}
	}
	if len(args) > 0 && args[0].Type().HasTrait(traits.ReceiverType) {
		return args[0].(traits.Receiver).Receive(c.Function(), c.InterpretableCall.OverloadID(), args[1:])
	}
	return types.NewErr("no such overload: %s", c.Function())
}

// joinLists returns a list with the elements of two lists, nil for other values. (That of
// the library is made of both, and so takes longer to look into the more lists it is made
// of.) A list that a macro makes grows in place.
func joinLists(a, b ref.Val) ref.Val {
	left, ok := a.(traits.Lister)
	right, both := b.(traits.Lister)
	if _, grows := a.(traits.MutableLister); !ok || !both || grows {
		return nil
	}
	elements := make([]ref.Val, 0, sizeOf(left)+sizeOf(right))
	for _, list := range []traits.Lister{left, right} {
		for i := range sizeOf(list) {
			elements = append(elements, list.Get(types.Int(i)))
		}
	}
	return types.NewRefValList(values, elements)
}

// priceKeys puts keyFunction around the indexes of an expression and around the keys of its
// maps, unless they are literals.
func priceKeys(parsed *ast.AST) {
	id := ast.MaxID(parsed)
	price := func(key ast.Expr) {
		if isLiteral(key) {
			return
		}
		id++
		inner := nodes.NewUnspecifiedExpr(id)
		inner.SetKindCase(key)
		key.SetKindCase(nodes.NewCall(key.ID(), keyFunction, inner))
	}
	ast.PostOrderVisit(parsed.Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		if args := argsOf(e, operators.Index); args != nil {
			price(args[1])
		}
		if e.Kind() == ast.MapKind {
			for _, entry := range e.AsMap().Entries() {
				price(entry.AsMapEntry().Key())
			}
		}
	}))
}
