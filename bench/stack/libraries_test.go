package stack_test

import (
	"context"
	"errors"
	"testing"

	"sluice/bench/stack"
)

// TestLibrariesThatCannotBeHad: without a program that fetches them, the error says how to get
// it, and nothing is kept that looks complete.
func TestLibrariesThatCannotBeHad(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	t.Setenv("PATH", t.TempDir())
	for name, get := range map[string]func(context.Context) (string, error){
		"Java": stack.JavaLibraries, "Node.js": stack.NodeLibraries, "Python": stack.PythonLibraries,
		"runtimes": func(ctx context.Context) (string, error) {
			runtimes, err := stack.JavaScriptRuntimes(ctx)
			return runtimes.Deno, err
		},
	} {
		for range 2 {
			_, err := get(t.Context())
			var missing *stack.MissingError
			if !errors.As(err, &missing) || missing.What == "" || missing.Get == "" {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}
