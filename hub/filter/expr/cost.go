package expr

import (
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/overloads"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
)

// cheap reports whether an expression costs little on every record, so that the cost
// need not be counted, which takes longer than the evaluation: it has few parts, no loops,
// and each operation has a literal on one side, so that it reads no more of a value than
// the literal is long.
func cheap(e ast.Expr, most int) bool {
	return isCheap(e) && partsOf(e) <= most
}

// partsOf returns the number of parts of an expression, each of which costs about one.
func partsOf(e ast.Expr) int {
	n := 1
	if e.Kind() == ast.SelectKind {
		return n + partsOf(e.AsSelect().Operand())
	}
	for _, child := range children(e) {
		n += partsOf(child)
	}
	return n
}

func isCheap(e ast.Expr) bool {
	switch e.Kind() {
	case ast.LiteralKind, ast.IdentKind:
		return true
	case ast.SelectKind:
		return isCheap(e.AsSelect().Operand())
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
		if arg.Kind() != ast.ListKind && !isCheap(arg) {
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

// work tells the cost of operations, from their operands, before they are evaluated. An
// operation costs one, and as much as all its operands weigh, unless it is known here to
// read less of them. (The library counts an operation as one where the types of its operands
// are only known when it is evaluated, as with all that is in a record, and counts it
// afterwards.)
type work struct{ most int }

// CallCost implements cost.ActualCostEstimator.
func (w work) CallCost(function, _ string, args []ref.Val, _ ref.Val) *uint64 {
	n := 1
	switch function {
	case operators.NotStrictlyFalse, overloads.TypeConvertType:
		// They do not look at what an operand consists of.
	case overloads.Size:
		if _, ok := args[0].(traits.Sizer); !ok || isText(args[0]) {
			n += w.weigh(args[0], w.most)
		}
	case operators.Equals, operators.NotEquals, operators.Less, operators.LessEquals, operators.Greater, operators.GreaterEquals,
		overloads.StartsWith, overloads.EndsWith:
		n += w.compared(args[0], args[1], w.most)
	case operators.Add:
		n += w.joined(args[0], args[1])
	case overloads.Matches:
		// In the worst case, each byte is compared with each instruction, some 10 ns each.
		size, _ := args[1].(types.Int)
		n += (w.weigh(args[0], w.most) + 1) * (int(size)/instructionsEach + 1)
	default:
		for _, arg := range args {
			n += w.weigh(arg, w.most)
		}
		if len(args) == 2 && args[0].Type() == types.TimestampType && isText(args[1]) {
			n += zoneCost
		}
	}
	if n < len(fewUnits) {
		return &fewUnits[n]
	}
	cost := uint64(n)
	return &cost
}

// fewUnits are costs that need no memory of their own.
var fewUnits = func() (units [64]uint64) {
	for n := range units {
		units[n] = uint64(n)
	}
	return units
}()

// zoneCost is what it costs to read a time zone from a file, some 15 µs, as the functions do
// that take a part of a timestamp in one.
const zoneCost = 100

// compared returns how much of two values an operation looks at that compares them, up to
// some more than most: nothing of values of different types or sizes, else of each part the
// lighter one.
func (w work) compared(a, b ref.Val, most int) int {
	switch a := a.(type) {
	case types.String, types.Bytes:
		if isText(b) {
			return min(w.weigh(a, most), w.weigh(b, most))
		}
	case traits.Lister:
		other, ok := b.(traits.Lister)
		if !ok || sizeOf(a) != sizeOf(other) {
			return 0
		}
		n := 0
		for i, size := 0, sizeOf(a); i < size && n < most; i++ {
			n += 1 + w.compared(a.Get(types.Int(i)), other.Get(types.Int(i)), most-n)
		}
		return n
	case traits.Mapper:
		other, ok := b.(traits.Mapper)
		if !ok || a.Size() != other.Size() {
			return 0
		}
		n := 0
		membersOfMap(a, func(key, value ref.Val) bool {
			n += 1 + w.weigh(key, most-n)
			if same, ok := other.Find(key); ok && n < most {
				n += w.compared(value, same, most-n)
			}
			return n < most
		})
		return n
	}
	return 0
}

// joined returns what it takes to join two values. The elements of lists are not looked at,
// and those of the list that a macro makes are not even copied.
func (w work) joined(a, b ref.Val) int {
	left, ok := a.(traits.Lister)
	right, both := b.(traits.Lister)
	if !ok || !both {
		return w.weigh(a, w.most) + w.weigh(b, w.most)
	}
	n := sizeOf(right)
	if _, grows := a.(traits.MutableLister); !grows {
		n += sizeOf(left)
	}
	return n
}

func sizeOf(list traits.Lister) int {
	n, _ := list.Size().(types.Int)
	return int(n)
}

func isText(v ref.Val) bool {
	switch v.(type) {
	case types.String, types.Bytes:
		return true
	}
	return false
}

// bytesEach is how many bytes of a text cost as much as a value, and instructionsEach with how
// many instructions of a pattern these bytes may be compared for that.
const (
	bytesEach        = 10
	instructionsEach = 4
)

// weigh returns about how many values and tens of bytes a value consists of, up to some
// more than most.
func (w work) weigh(v ref.Val, most int) int {
	switch v := v.(type) {
	case types.String:
		return len(v) / bytesEach
	case types.Bytes:
		return len(v) / bytesEach
	case traits.Lister:
		n := 0
		for i, size := 0, sizeOf(v); i < size && n < most; i++ {
			n += 1 + w.weigh(v.Get(types.Int(i)), most-n)
		}
		return n
	case traits.Mapper:
		n := 0
		membersOfMap(v, func(key, value ref.Val) bool {
			n += 1 + w.weigh(key, most-n) + w.weigh(value, most-n)
			return n < most
		})
		return n
	}
	return 0
}

// membersOfMap calls a function for the members of a map until it returns false. (An iterator
// of the library begins with a copy of all keys.)
func membersOfMap(m traits.Mapper, each func(key, value ref.Val) bool) {
	types.ToFoldableMap(m).Fold(folder(each))
}

type folder func(key, value ref.Val) bool

// FoldEntry implements traits.Folder.
func (f folder) FoldEntry(key, value any) bool {
	return f(values.NativeToValue(key), values.NativeToValue(value))
}
