package expr

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync/atomic"
	"unicode/utf8"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/checker"
	"cel.dev/cel-go/common"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/parser"
)

// residualBytes bounds the text of a rule whose claims have been replaced.
const residualBytes = 64 << 10

// Limits bound expressions.
type Limits struct {
	// Bytes is the maximum length of a client's text and of a rule.
	Bytes int
	// Cost is the maximum cost of one evaluation, in the units of CEL: about one for
	// each value that is looked up and each operation, and for strings about one for
	// ten bytes that an operation reads.
	Cost int
	// Memory bounds what compiled filters of clients take, in bytes: those in use, of
	// which one client has at most an eighth, and those kept for the next client. The
	// filters of rules that are kept have as much again.
	Memory int
}

func (l Limits) check() error {
	switch {
	case l.Bytes < 1 || l.Bytes > residualBytes:
		return fmt.Errorf("check filter limits: the length is not between 1 and %d bytes", residualBytes)
	case l.Cost < 1:
		return errors.New("check filter limits: the cost is not positive")
	case l.Memory < 1:
		return errors.New("check filter limits: the memory is not positive")
	}
	return nil
}

// Language compiles expressions.
type Language struct {
	limits Limits
	parser *parser.Parser
	// Immutable. An expression of a client knows a record, and a rule also claims; a rule
	// about a record that is not stored yet knows less of it.
	client, rule, unstored environment
	// turns has room for as many compilations of clients' texts as may run at once.
	turns chan struct{}

	counts   counts
	compiled *store // of clients' texts
	// What was found last to be wrong with clients' texts, and what was compiled last for
	// rules.
	refused *cache[[sha256.Size]byte, *Error]
	rules   *cache[ruleKey, *Rule]
	unions  *cache[[sha256.Size]byte, compiled]
}

// refusedBytes bounds the memory for what is wrong with texts.
const refusedBytes = 1 << 20

// New returns a language.
func New(limits Limits) (*Language, error) {
	if err := limits.check(); err != nil {
		return nil, err
	}
	l := &Language{
		limits: limits,
		// The other half of the processors stays with those who deliver records, however
		// many clients send texts.
		turns:    make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/2)),
		compiled: newStore(limits.Memory),
		refused:  newCache[[sha256.Size]byte, *Error](refusedBytes),
		rules:    newCache[ruleKey, *Rule](limits.Memory / 2),
		unions:   newCache[[sha256.Size]byte, compiled](limits.Memory / 2),
	}
	if err := l.prepare(); err != nil {
		return nil, fmt.Errorf("make filter language: %w", err)
	}
	return l, nil
}

func (l *Language) prepare() error {
	for _, one := range []struct {
		made      *environment
		variables []cel.EnvOption
	}{
		{&l.client, slices.Concat(ofRecords, ofStored)},
		{&l.rule, slices.Concat(ofRecords, ofStored, ofRules)},
		{&l.unstored, slices.Concat(ofRecords, ofRules)},
	} {
		var err error
		if *one.made, err = newEnvironment(one.variables); err != nil {
			return err
		}
	}
	var err error
	l.parser, err = parser.NewParser(
		// A tenth of the time that the other one takes, which looks ahead without a bound.
		parser.EnablePrattParser(true),
		parser.Macros(l.client.Macros()...),
		// The calls of macros are kept, because a rule is written out again.
		parser.PopulateMacroCalls(true),
		parser.ExpressionSizeCodePointLimit(residualBytes),
		parser.MaxExpressionNodeCount(maxNodes),
		parser.MaxRecursionDepth(maxDeep),
		parser.ErrorReportingLimit(maxPlaces),
		parser.ErrorRecoveryLimit(maxPlaces),
	)
	return err
}

// Rule is an expression of a grant: which records a principal may read or publish,
// given its claims.
type Rule struct {
	language *Language
	text     string
	checked  *ast.AST
}

// ruleKey is what a rule is found by.
type ruleKey struct {
	text     string
	unstored bool
}

// counts is how many texts of clients were compiled, and were at fault.
type counts struct{ compiled, refused atomic.Uint64 }

// read parses and checks a text that somebody has written.
func (l *Language) read(env environment, text string) (*ast.AST, error) {
	switch {
	case len(text) > l.limits.Bytes:
		return nil, l.tooLong()
	case !utf8.ValidString(text):
		return nil, whole("the filter is not UTF-8")
	}
	return l.check(env, text)
}

func (l *Language) tooLong() *Error {
	return whole("the filter is longer than %d bytes", l.limits.Bytes)
}

// check parses and checks a text. What takes long with some texts comes after what bounds
// it.
func (l *Language) check(env environment, text string) (*ast.AST, error) {
	source := common.NewTextSource(text)
	parsed, faults := l.parser.Parse(source)
	if len(faults.GetErrors()) > 0 {
		return nil, faultOf(faults)
	}
	if _, err := bounded(parsed); err != nil {
		return nil, err
	}
	return checkTypes(env, parsed, source)
}

func checkTypes(env environment, parsed *ast.AST, source common.Source) (*ast.AST, error) {
	checked, faults := checker.Check(parsed, source, env.types)
	if len(faults.GetErrors()) > 0 {
		return nil, faultOf(faults)
	}
	if out := checked.GetType(checked.Expr().ID()); !out.IsExactType(cel.BoolType) && !out.IsExactType(cel.DynType) {
		return nil, whole("the result of the filter is not true or false but of type %s", out)
	}
	return checked, nil
}
