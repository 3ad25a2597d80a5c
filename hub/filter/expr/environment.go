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

// environment is what an expression can refer to.
type environment struct {
	*cel.Env
	types     *checker.Env
	functions map[string]*functions.Overload // by their own name, and by that of the function
}

func newEnvironment(env *cel.Env) (environment, error) {
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
