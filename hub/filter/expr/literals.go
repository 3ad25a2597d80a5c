package expr

import (
	"fmt"
	"regexp"

	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
	"cel.dev/cel-go/interpreter"
)

// among is whether a value is in a list of literals. (That of the library has to hash a text
// to know that it is not, however long it is.)
type among struct {
	interpreter.InterpretableCall // what it replaces
	value                         interpreter.InterpretableV2
	texts                         map[string]bool
	longest                       int
	others                        []ref.Val
}

// newAmong returns what replaces a call, and reports whether it is about a list of literals.
func newAmong(call interpreter.InterpretableCall) (*among, bool) {
	if f := call.Function(); f != operators.In && f != operators.OldIn {
		return nil, false
	}
	args := call.Args()
	constant, ok := args[1].(interpreter.InterpretableConst)
	if !ok {
		return nil, false
	}
	list, ok := constant.Value().(traits.Lister)
	if !ok {
		return nil, false
	}
	made := &among{InterpretableCall: call, value: args[0], texts: make(map[string]bool)}
	for i := range sizeOf(list) {
		switch v := list.Get(types.Int(i)).(type) {
		case types.String:
			made.texts[string(v)] = true
			made.longest = max(made.longest, len(v))
		case types.Int, types.Uint, types.Double, types.Bool, types.Null:
			made.others = append(made.others, v)
		default:
			return nil, false
		}
	}
	return made, true
}

// Args implements interpreter.InterpretableCall. There are none that the library could
// optimize.
func (a *among) Args() []interpreter.InterpretableV2 { return nil }

// OverloadID implements interpreter.InterpretableCall, likewise.
func (a *among) OverloadID() string { return "" }

// Eval implements interpreter.Interpretable.
func (a *among) Eval(vars interpreter.Activation) ref.Val {
	return interpreter.EvalActivation(vars, a.Exec)
}

// Exec implements interpreter.InterpretableV2.
func (a *among) Exec(frame *interpreter.ExecutionFrame) ref.Val {
	v := a.value.Exec(frame)
	costs := frame.CostTracker()
	switch text := v.(type) {
	case *types.Err, *types.Unknown:
		return v
	case types.String:
		if len(text) > a.longest {
			v = types.String("") // which costs one, and so does not to have to look at it
		}
		if costs != nil {
			costs.EvalUnary(frame, a.ID(), a, v, nil)
		}
		return types.Bool(len(text) <= a.longest && a.texts[string(text)])
	case types.Int, types.Uint, types.Double, types.Bool, types.Null:
		for _, other := range a.others {
			if costs != nil {
				costs.EvalUnary(frame, a.ID(), a, v, nil)
			}
			if types.Equal(v, other) == types.True {
				return types.True
			}
		}
	}
	if costs != nil {
		costs.EvalUnary(frame, a.ID(), a, types.NullValue, nil)
	}
	return types.False
}

// matching is whether a text matches a pattern, which is compiled once.
type matching struct {
	interpreter.InterpretableCall // what it replaces
	text                          interpreter.InterpretableV2
	pattern                       *regexp.Regexp
	size                          types.Int // in instructions
}

func newMatching(call interpreter.InterpretableCall) (interpreter.InterpretableV2, error) {
	args := call.Args()
	literal, ok := args[len(args)-1].(interpreter.InterpretableConst)
	if !ok || len(args) != 2 {
		return nil, fmt.Errorf("the pattern of %s is not a literal", call.Function())
	}
	text, ok := literal.Value().(types.String)
	if !ok {
		return nil, fmt.Errorf("the pattern of %s is not a text", call.Function())
	}
	pattern, err := regexp.Compile(string(text))
	if err != nil {
		return nil, err
	}
	size, err := types.RegexProgramSize(string(text))
	if err != nil {
		return nil, err
	}
	return &matching{InterpretableCall: call, text: args[0], pattern: pattern, size: types.Int(size)}, nil
}

// Args implements interpreter.InterpretableCall, without the pattern, which the library would
// compile.
func (m *matching) Args() []interpreter.InterpretableV2 { return []interpreter.InterpretableV2{m.text} }

// Eval implements interpreter.Interpretable.
func (m *matching) Eval(vars interpreter.Activation) ref.Val {
	return interpreter.EvalActivation(vars, m.Exec)
}

// Exec implements interpreter.InterpretableV2.
func (m *matching) Exec(frame *interpreter.ExecutionFrame) ref.Val {
	v := m.text.Exec(frame)
	if types.IsUnknownOrError(v) {
		return v
	}
	text, ok := v.(types.String)
	if !ok {
		return types.NewErr("no such overload: %s", m.Function())
	}
	if costs := frame.CostTracker(); costs != nil {
		costs.EvalBinary(frame, m.ID(), m, text, m.size, nil)
	}
	return types.Bool(m.pattern.MatchString(string(text)))
}
