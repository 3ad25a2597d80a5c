package expr

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"unicode/utf8"

	"cel.dev/cel-go/cel"

	"sluice/hub/filter"
)

const (
	// maxNodes bounds the nodes of an expression, those of expanded macros included.
	maxNodes = 2000
	// maxRegex bounds the size of a compiled pattern of matches.
	maxRegex = 1000
	// residualBytes bounds the text of a rule whose claims have been replaced.
	residualBytes = 64 << 10
)

// Limits bound expressions.
type Limits struct {
	// Bytes is the maximum length of a client's text and of a rule.
	Bytes int
	// Cost is the maximum cost of one evaluation, in the units of CEL: about one for
	// each value that is looked up and each operation, and for strings about one for
	// ten bytes that an operation reads.
	Cost int
	// Cached is how many compiled expressions are kept.
	Cached int
}

func (l Limits) check() error {
	switch {
	case l.Bytes < 1 || l.Bytes > residualBytes:
		return fmt.Errorf("check filter limits: the length is not between 1 and %d bytes", residualBytes)
	case l.Cost < 1:
		return errors.New("check filter limits: the cost is not positive")
	case l.Cached < 1:
		return errors.New("check filter limits: the number of cached filters is not positive")
	}
	return nil
}

// Language compiles expressions.
type Language struct {
	limits Limits
	// Immutable. An expression of a client knows a record, and a rule also claims.
	client, rule *cel.Env
	// What was compiled last.
	compiled *cache[string, filter.Filter]
	rules    *cache[string, *Rule]
	unions   *cache[[sha256.Size]byte, filter.Filter]
}

// New returns a language.
func New(limits Limits) (*Language, error) {
	if err := limits.check(); err != nil {
		return nil, err
	}
	l := &Language{
		limits:   limits,
		compiled: newCache[string, filter.Filter](limits.Cached),
		rules:    newCache[string, *Rule](limits.Cached),
		unions:   newCache[[sha256.Size]byte, filter.Filter](limits.Cached),
	}
	var err error
	if l.client, err = environment(); err == nil {
		l.rule, err = l.client.Extend(cel.Variable(varClaims, cel.MapType(cel.StringType, cel.DynType)))
	}
	if err != nil {
		return nil, fmt.Errorf("make filter language: %w", err)
	}
	return l, nil
}

// Rule is an expression of a grant: which records a principal may read or publish,
// given its claims.
type Rule struct {
	language *Language
	text     string
	checked  *cel.Ast
}

// The variables.
const (
	varKey       = "key"
	varHeaders   = "headers"
	varData      = "data"
	varTS        = "ts"
	varPartition = "partition"
	varOffset    = "offset"
	varClaims    = "claims"
)

func environment() (*cel.Env, error) {
	return cel.NewEnv(
		cel.Variable(varKey, cel.DynType),
		cel.Variable(varHeaders, cel.MapType(cel.StringType, cel.DynType)),
		cel.Variable(varData, cel.DynType),
		cel.Variable(varTS, cel.IntType),
		cel.Variable(varPartition, cel.IntType),
		cel.Variable(varOffset, cel.IntType),
		cel.CustomTypeAdapter(values),
		cel.CrossTypeNumericComparisons(true),
		// The calls of macros are kept, because a rule is written out again.
		cel.EnableMacroCallTracking(),
		cel.ParserExpressionSizeLimit(residualBytes),
		cel.ExpressionNodeLimit(maxNodes),
		cel.RegexProgramSizeLimit(maxRegex),
		cel.ASTValidators(literalPatterns{}, cel.ValidateRegexLiterals()),
	)
}

// parse parses and checks a text that somebody has written.
func (l *Language) parse(env *cel.Env, text string) (*cel.Ast, error) {
	switch {
	case len(text) > l.limits.Bytes:
		return nil, whole("the filter is longer than %d bytes", l.limits.Bytes)
	case !utf8.ValidString(text):
		return nil, whole("the filter is not UTF-8")
	}
	return check(env, text)
}

func check(env *cel.Env, text string) (*cel.Ast, error) {
	ast, issues := env.Compile(text)
	if issues.Err() != nil {
		return nil, faultOf(issues)
	}
	if out := ast.OutputType(); !out.IsExactType(cel.BoolType) && !out.IsExactType(cel.DynType) {
		return nil, whole("the result of the filter is not true or false but of type %s", out)
	}
	return ast, nil
}
