package expr

import (
	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/checker"
	"cel.dev/cel-go/common/functions"
	"cel.dev/cel-go/common/types/ref"
)

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

// The variables that an expression can have.
var (
	ofRecords = []cel.EnvOption{
		cel.Variable(varKey, cel.DynType),
		cel.Variable(varHeaders, cel.MapType(cel.StringType, cel.DynType)),
		cel.Variable(varData, cel.DynType),
	}
	ofStored = []cel.EnvOption{
		cel.Variable(varTS, cel.IntType),
		cel.Variable(varPartition, cel.IntType),
		cel.Variable(varOffset, cel.IntType),
	}
	ofRules = []cel.EnvOption{
		cel.Variable(varClaims, cel.MapType(cel.StringType, cel.DynType)),
	}
)

// environment is what an expression can refer to.
type environment struct {
	*cel.Env
	types     *checker.Env
	functions map[string]*functions.Overload // by their own name, and by that of the function
}

func newEnvironment(variables []cel.EnvOption) (environment, error) {
	env, err := cel.NewEnv(append(variables, cel.CustomTypeAdapter(values), cel.CrossTypeNumericComparisons(true), lookedUp())...)
	if err != nil {
		return environment{}, err
	}
	types, err := checker.NewEnv(env.Container, env.CELTypeProvider(), checker.CrossTypeNumericComparisons(true))
	if err != nil {
		return environment{}, err
	}
	if err := types.AddIdents(env.Variables()...); err != nil {
		return environment{}, err
	}
	made := environment{Env: env, types: types, functions: make(map[string]*functions.Overload)}
	for _, f := range env.Functions() {
		if err := types.AddFunctions(f); err != nil {
			return environment{}, err
		}
		overloads, err := f.Bindings()
		if err != nil {
			return environment{}, err
		}
		for _, o := range overloads {
			made.functions[o.Operator] = o
		}
	}
	return made, nil
}

// keyFunction is a function around what is looked up in lists and maps, which by itself
// would cost one, however long the text is that has to be hashed. It has no name that a text
// could use.
const keyFunction = "@key"

func lookedUp() cel.EnvOption {
	return cel.Function(keyFunction, cel.Overload("sluice_key", []*cel.Type{cel.DynType}, cel.DynType,
		cel.UnaryBinding(func(v ref.Val) ref.Val { return v })))
}
