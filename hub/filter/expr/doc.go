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
// # Bounds
//
// What an evaluation costs is counted, and bounded by [Limits]: about one for each value
// that is looked up, each operation, and each value and ten bytes of text that an operation
// looks at. It is known before an operation begins, so that none is begun that
// would exceed the bound. An evaluation that does ends with [ErrCost], which ends the
// subscription. Patterns of matches must be literals, and are compiled once; they cost as
// much as the text and the pattern together may take.
//
// To compile a text, or to find it at fault, takes a few milliseconds at most: its length,
// the number of its parts, how deep they are in one another, and the size of its patterns
// are bounded before what takes longer with more of them. Faults are remembered, too. At
// most half of the processors compile texts of clients.
//
// The memory of compiled filters is bounded by [Limits], for those that are in use, see
// [Language.Use], and those kept for the next client.
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
//	compile.go      from the text of a client to a filter
//	rule.go         from rules and the claims of a principal to a filter
//	claims.go       what remains of a rule when the claims are known
//	indexed.go      what of an expression is found by index
//	predicate.go    evaluating an expression on a record
//	language.go     Language, Rule: parsing and checking
//	price.go        operations that are charged before they are evaluated
//	literals.go     operations with literals, which are prepared once
//	cost.go         what operations cost, and which need not be counted
//	environment.go  the variables and functions
//	size.go         about how many bytes a compiled filter takes
//	bounds.go       what could take long to compile
//	trees.go        parts of parsed expressions
//	store.go        the filters that are in use, and those compiled last
//	cache.go        what was used last
//	value.go        JSON as values of the language
//	fault.go        Error: where in the text a fault is
package expr
