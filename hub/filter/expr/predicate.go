package expr

import (
	"errors"
	"sync"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/interpreter"

	"sluice/hub/filter"
	"sluice/hub/jsonscan"
)

// predicate evaluates an expression on records.
type predicate struct {
	canonical string
	program   cel.Program
	claims    ref.Val // nil if the expression does not use them
}

// Canonical implements filter.Predicate.
func (p *predicate) Canonical() string { return p.canonical }

// Passes implements filter.Predicate.
func (p *predicate) Passes(r *filter.Record) (bool, error) {
	v := variablesPool.Get().(*variables)
	v.record, v.parsed, v.claims = r, parsedOf(r), p.claims
	result, _, err := p.program.Eval(v)
	*v = variables{}
	variablesPool.Put(v)
	if err := costOf(err); err != nil {
		return false, err
	}
	return truth(result), nil
}

// costOf returns ErrCost for an evaluation that was stopped, and nil for other
// results: an error of the language means that the record does not pass.
func costOf(err error) error {
	var stopped interpreter.EvalCancelledError
	if errors.As(err, &stopped) {
		return ErrCost
	}
	return nil
}

var variablesPool = sync.Pool{New: func() any { return new(variables) }}

// variables are the variables of an evaluation.
type variables struct {
	record *filter.Record
	parsed *parsed
	claims ref.Val
}

// Parent implements cel.Activation.
func (v *variables) Parent() cel.Activation { return nil }

// ResolveName implements cel.Activation.
func (v *variables) ResolveName(name string) (any, bool) {
	switch name {
	case varData:
		return v.parsed.dataOf(v.record), true
	case varKey:
		return v.parsed.keyOf(v.record), true
	case varHeaders:
		return v.parsed.headersOf(v.record), true
	case varTS:
		return types.Int(v.record.Time), true
	case varPartition:
		return types.Int(v.record.Partition), true
	case varOffset:
		return types.Int(v.record.Offset), true
	case varClaims:
		if v.claims != nil {
			return v.claims, true
		}
	}
	return nil, false
}

// parsed are the variables of a record, which all expressions share.
type parsed struct {
	key, headers, data ref.Val
}

func parsedOf(r *filter.Record) *parsed {
	p, ok := r.Memo.(*parsed)
	if !ok {
		p = &parsed{}
		r.Memo = p
	}
	return p
}

func (p *parsed) dataOf(r *filter.Record) ref.Val {
	if p.data == nil {
		p.data = decode(r.Data(), 0)
	}
	return p.data
}

func (p *parsed) keyOf(r *filter.Record) ref.Val {
	if p.key == nil {
		p.key = types.NullValue
		if key, ok := r.Key(); ok {
			p.key = types.String(key)
		}
	}
	return p.key
}

// headersOf makes the map of headers: [name, value] or [name, value, "base64"] in the
// event, of which the last one with a name counts.
func (p *parsed) headersOf(r *filter.Record) ref.Val {
	if p.headers != nil {
		return p.headers
	}
	of := make(map[string]ref.Val)
	for header := range jsonscan.Elements(r.Headers()) {
		var parts [3][]byte
		n := 0
		for part := range jsonscan.Elements(header) {
			if n < len(parts) {
				parts[n] = part
			}
			n++
		}
		name, ok := jsonscan.Unquote(parts[0])
		if !ok {
			continue
		}
		of[name] = types.NullValue
		if n == 2 {
			of[name] = decode(parts[1], 0)
		}
	}
	p.headers = types.NewMap(values, of)
	return p.headers
}

// program makes what evaluates an expression. If the cost is counted, an evaluation that
// exceeds the bound ends with an error of [costOf].
func (l *Language) program(env environment, checked *ast.AST, counted bool) (cel.Program, error) {
	options := []cel.ProgramOption{cel.EvalOptions(cel.OptOptimize)}
	if counted {
		options = append(options, cel.CustomDecoratorV2(env.pricing),
			cel.CostTracking(work{most: l.limits.Cost}), cel.CostLimit(uint64(l.limits.Cost)))
	} else {
		options = append(options, cel.CustomDecoratorV2(func(i interpreter.InterpretableV2) (interpreter.InterpretableV2, error) {
			if call, ok := i.(interpreter.InterpretableCall); ok {
				if made, ok := newAmong(call); ok {
					return made, nil
				}
			}
			return i, nil
		}))
	}
	return env.PlanProgram(checked, options...)
}

// predicateOf makes the predicate of an expression, and returns about how many bytes it takes.
// The text identifies it.
func (l *Language) predicateOf(env environment, text string, with bound) (p filter.Predicate, bytes int, err error) {
	source := common.NewTextSource(text)
	parsed, faults := l.parser.Parse(source)
	if len(faults.GetErrors()) > 0 {
		return nil, 0, faultOf(faults)
	}
	within, err := bounded(parsed)
	if err != nil {
		return nil, 0, err
	}
	counted := !cheap(parsed.Expr(), l.limits.Cost)
	priceKeys(parsed)
	checked, err := checkTypes(env, parsed, source)
	if err != nil {
		return nil, 0, err
	}
	program, err := l.program(env, checked, counted)
	if err != nil {
		return nil, 0, whole("the filter cannot be evaluated: %v", err)
	}
	canonical := "cel\x00" + text
	if with.claims != nil {
		canonical += "\x00" + with.canonical
	}
	return &predicate{canonical: canonical, program: program, claims: with.claims}, within.bytes(canonical), nil
}

// bound is what an expression has besides a record.
type bound struct {
	claims    ref.Val // nil for nothing
	canonical string
}
