package expr

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/checker"
	"cel.dev/cel-go/common"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/overloads"
	"cel.dev/cel-go/interpreter"

	"sluice/hub/filter"
	costs "sluice/hub/hubtest/bounds"
)

// perUnit bounds the time for a unit of cost, and free that of an evaluation besides: an
// operation that reads a megabyte and is not charged for it takes longer than that. Both have
// room for a busy machine.
const (
	perUnit = 3 * time.Microsecond * slower
	free    = 60 * time.Microsecond * slower
)

// bigRecord has values that are large in each way.
func bigRecord() *filter.Record {
	const size, many = 1 << 20 / slower, 20_000 / slower
	data := map[string]string{
		"text":      `"` + strings.Repeat("a", size) + `"`,
		"same":      `"` + strings.Repeat("a", size) + `"`,
		"digits":    `"1` + strings.Repeat("0", size) + `"`,
		"fraction":  `"0.` + strings.Repeat("1", size) + `"`,
		"time":      `"2026-01-01T00:00:00.` + strings.Repeat("0", size) + `Z"`,
		"length":    `"` + strings.Repeat("1h", size/2) + `"`,
		"wide":      `"` + strings.Repeat("ä", size/2) + `"`,
		"list":      `[` + strings.Repeat("1,", many) + `1]`,
		"texts":     `[` + strings.Repeat(`"`+strings.Repeat("a", 100)+`",`, many/2) + `1]`,
		"number":    `1`,
		"some":      `"` + strings.Repeat("a", many) + `"`,
		"timestamp": `"2026-01-01T00:00:00Z"`,
	}
	var object strings.Builder
	object.WriteString(`{"a":1`)
	for i := range many {
		fmt.Fprintf(&object, `,"m%d":%d`, i, i)
	}
	data["object"] = object.String() + "}"
	var text strings.Builder
	for name, value := range data {
		fmt.Fprintf(&text, `,%q:%s`, name, value)
	}
	r := &filter.Record{}
	r.Set([]byte(`{"key":"k","data":{`+text.String()[1:]+`}}`), 0, 0, 0)
	return r
}

// tried is an expression that calls one function.
type tried struct {
	text    string
	program cel.Program
}

// compileCall makes a program of a call, nil if the operands do not have the function.
func compileCall(l *Language, function string, member bool, operands ...string) *tried {
	source := common.NewTextSource("[" + strings.Join(operands, ",") + "]")
	parsed, faults := l.parser.Parse(source)
	if len(faults.GetErrors()) > 0 {
		panic(faults.ToDisplayString())
	}
	args := parsed.Expr().AsList().Elements()
	id := ast.MaxID(parsed) + 1
	call := nodes.NewCall(id, function, args...)
	if member {
		call = nodes.NewMemberCall(id, function, args[0], args[1:]...)
	}
	parsed = ast.NewAST(call, parsed.SourceInfo())
	priceKeys(parsed)
	checked, faults := checker.Check(parsed, source, l.client.types)
	if len(faults.GetErrors()) > 0 {
		return nil
	}
	program, err := l.program(l.client, checked, true)
	if err != nil {
		return nil
	}
	return &tried{text: fmt.Sprintf("%s(%s)", function, strings.Join(operands, ", ")), program: program}
}

// everyCall returns calls of every function that there is, on all combinations of operands.
func everyCall(t *testing.T, l *Language, one, two []string) (calls []*tried) {
	t.Helper()
	for _, name := range slices.Sorted(maps.Keys(l.client.Functions())) {
		function, found := l.client.Functions()[name], 0
		add := func(member bool, operands ...string) {
			if made := compileCall(l, name, member, operands...); made != nil {
				calls = append(calls, made)
				found++
			}
		}
		shapes := make(map[string]bool)
		for _, o := range function.OverloadDecls() {
			shape := fmt.Sprint(len(o.ArgTypes()), o.IsMemberFunction())
			if shapes[shape] {
				continue
			}
			shapes[shape] = true
			switch member := o.IsMemberFunction(); {
			case name == overloads.Matches:
				for _, pattern := range []string{`"(a{30}){30}b"`, `"(a|b|ab|ba)*c"`, `"^a*b"`, `"(?i)[\\pL]+x"`} {
					add(member, "data.some", pattern)
				}
			case len(o.ArgTypes()) == 1:
				for _, a := range one {
					add(member, a)
				}
			case len(o.ArgTypes()) == 2:
				for _, a := range two {
					for _, b := range two {
						add(member, a, b)
					}
				}
			case name == operators.Conditional:
				add(member, "data.number", "data.text", "data.text")
			default:
				t.Errorf("%s has %d operands: try it here", name, len(o.ArgTypes()))
			}
		}
		if found == 0 && function.OverloadDecls() != nil {
			t.Errorf("%s was not tried", name)
		}
	}
	return calls
}

// TestEveryOperationIsCharged: whatever function there is, its cost says how long it takes.
func TestEveryOperationIsCharged(t *testing.T) {
	t.Parallel()
	l, err := New(Limits{Bytes: 4 << 10, Cost: 1 << 40, Memory: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	r := bigRecord()
	one := []string{
		"data.text", "data.digits", "data.fraction", "data.time", "data.length", "data.wide", "data.list", "data.object",
		"bytes(data.text)", "string(data.text)", "data", "data.number", "[data.text]", "timestamp(data.timestamp)",
	}
	two := []string{"data.text", "data.same", "data.list", "data.texts", "data.object", "data.number", "bytes(data.text)", `"a"`, "timestamp(data.timestamp)", "[1,2]"}
	calls := everyCall(t, l, one, two)
	// What is no function. In those with a text, it has to be hashed, for which a megabyte
	// takes no longer than an evaluation may without being charged.
	for _, text := range []string{
		"data.object.all(k, true)", "data.object.exists(k, true)", "data.list.exists(i, true)", "data.list.map(i, i)",
		"data.object[data.text]", "data.list[data.text]", "headers[data.text]", "{data.text: 1}", "data.object[data.object]", "data.list[data.texts]",
		`{"a": 1}[data.text]`, `data.text in ["a", "b"]`, `data.object in [1, 2]`, `data.text in headers`, "has(data.object.a)",
		"[data.text]", "{1: data.text}", "data.object[data.object.a + data.object.a]",
	} {
		parsed, faults := l.parser.Parse(common.NewTextSource(text))
		if len(faults.GetErrors()) > 0 {
			t.Fatal(faults.ToDisplayString())
		}
		priceKeys(parsed)
		checked, faults := checker.Check(parsed, common.NewTextSource(text), l.client.types)
		if len(faults.GetErrors()) > 0 {
			t.Fatal(faults.ToDisplayString())
		}
		program, err := l.program(l.client, checked, true)
		if err != nil {
			t.Fatal(err)
		}
		calls = append(calls, &tried{text, program})
	}
	t.Logf("%d calls", len(calls))
	for _, call := range calls {
		var cost uint64
		least := time.Hour
		for range 5 {
			v := &variables{record: r, parsed: parsedOf(r)}
			var details *cel.EvalDetails
			took := costs.Took(func() { _, details, _ = call.program.Eval(v) })
			if details == nil || details.ActualCost() == nil {
				t.Fatalf("%s: the cost is not counted", call.text)
			}
			cost = *details.ActualCost()
			if least = min(least, took); least <= free+time.Duration(cost)*perUnit {
				break
			}
		}
		if hashes := strings.HasSuffix(call.text, "[data.text]") && call.text != "[data.text]" || call.text == "{data.text: 1}"; hashes && cost < 1<<20/slower/20 {
			t.Errorf("%s costs %d", call.text, cost)
		}
		if most := free + time.Duration(cost)*perUnit; least > most {
			t.Errorf("%s takes %v, for a cost of %d", call.text, least, cost)
		}
	}
}

// TestNothingIsEvaluatedBeyondItsBound: an operation that would exceed the bound is not begun,
// even if its operands are the same value so many times over that it would never end.
func TestNothingIsEvaluatedBeyondItsBound(t *testing.T) {
	t.Parallel()
	l, err := New(Limits{Bytes: 4 << 10, Cost: 1000, Memory: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	r := bigRecord()
	const endless = "[data.object].map(a, [a,a,a,a,a,a,a,a,a,a])" +
		".map(a, [a,a,a,a,a,a,a,a,a,a]).map(a, [a,a,a,a,a,a,a,a,a,a]).map(a, [a,a,a,a,a,a,a,a,a,a])" +
		".map(a, [a,a,a,a,a,a,a,a,a,a]).map(a, [a,a,a,a,a,a,a,a,a,a]).map(a, [a,a,a,a,a,a,a,a,a,a])" +
		".map(a, [a,a,a,a,a,a,a,a,a,a]).map(a, [a,a,a,a,a,a,a,a,a,a])"
	operands := []string{endless, "data.number", `"a"`, "data.object"}
	for _, call := range everyCall(t, l, operands, operands) {
		least := time.Hour
		for range 5 {
			v := &variables{record: r, parsed: parsedOf(r)}
			var err error
			took := costs.Took(func() { _, _, err = call.program.Eval(v) })
			if least = min(least, took); least < 1000*perUnit {
				break
			}
			var stopped interpreter.EvalCancelledError
			if err != nil && !errors.As(err, &stopped) && strings.Contains(err.Error(), "internal") {
				t.Errorf("%s: %v", strings.ReplaceAll(call.text, endless, "endless"), err)
			}
		}
		if most := free + 1000*perUnit; least > most {
			t.Errorf("%s takes %v", strings.ReplaceAll(call.text, endless, "endless"), least)
		}
	}
}
