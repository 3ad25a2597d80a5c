// Package expr is the language of filters: expressions in CEL, the Common Expression
// Language, over a record, and in the rules of grants also over the claims of a
// principal.
//
//	data.total > 100.0 && data.region in ["eu", "us"]
//	key == claims.sub
//
// # Variables
//
//	key        the record's key, a string; null if there is none, or if it is not UTF-8
//	headers    map of header names to the value of the last header of that name: a
//	           string, or null if the header has no value or one that is not UTF-8
//	data       the value as an event shows it: JSON, a string for text and for base64,
//	           null for a tombstone
//	ts         the timestamp in Unix milliseconds, -1 for none
//	partition  the partition
//	offset     the offset
//	claims     in rules: the claims of the principal
//
// Numbers in data are doubles, as the specification of CEL has it for JSON, and can be
// compared with integers. What is nested deeper than [MaxDepth] levels cannot be looked
// at.
//
// A record passes if the result is true. If the result is an error, because the
// record lacks a field or a value is of another type, the record does not pass: this
// also holds below a negation, so that an expression that cannot be evaluated never
// lets a record through.
//
// # Cost
//
// The text, the number of its nodes, and the cost of one evaluation are bounded; see
// [Limits]. An evaluation that exceeds the bound ends with [ErrCost], which ends the
// subscription. Patterns of matches must be literals, and are compiled once.
//
// # Index
//
// Equalities with literals (key == "a", key in ["a", "b"], data.user == "u1",
// headers["kind"] == "x") and what contains one as a conjunct become the keys and
// fields of a [filter.Filter], which are found by index. What remains is one
// predicate. Expressions that are written differently but leave the same keys, fields
// and remaining text share a feed.
//
// # Rules
//
// A [Rule] is an expression of a grant. For a principal, the operands of conjunctions
// and disjunctions that need no record are evaluated, and in the others claims are
// replaced by their values: what remains is an expression like a client's. Values of
// claims become literals of the expression, never operators. A claim that a principal
// does not have is an error, so that nothing passes.
//
// Nothing in this package starts a goroutine. All types are safe for concurrent use.
//
// # Files
//
// A file uses the files listed after it.
//
//	compile.go    from the text of a client to a filter
//	rule.go       from rules and the claims of a principal to a filter
//	claims.go     what remains of a rule when the claims are known
//	indexed.go    what of an expression is found by index
//	predicate.go  evaluating an expression on a record
//	language.go   Language, Rule: the environments, parsing and checking
//	cost.go       the cost of an evaluation, and which need not be counted
//	value.go      JSON as values of the language
//	cache.go      what was compiled last
//	fault.go      Error: where in the text a fault is
package expr
