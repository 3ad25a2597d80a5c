package stack

import (
	"context"
	"crypto/sha256"
	"embed"
	"fmt"
	"path/filepath"
)

//go:embed runtimes
var runtimeFiles embed.FS

// Runtimes are environments of JavaScript beside Node.js and browsers, from the npm registry.
type Runtimes struct {
	// Modules is a folder with the packages of runtimes/package.json, among them React
	// Native and its preset for Babel.
	Modules string
	// Deno and Bun are programs.
	Deno, Bun string
}

// JavaScriptRuntimes returns Deno, Bun and React Native.
func JavaScriptRuntimes(ctx context.Context) (r Runtimes, err error) {
	if err := Install(ctx, "nodejs", "npm"); err != nil {
		return r, err
	}
	lock, err := runtimeFiles.ReadFile("runtimes/package-lock.json")
	if err != nil {
		return r, fmt.Errorf("read list of packages: %w", err)
	}
	sum := sha256.Sum256(lock)
	dir, err := fetched(fmt.Sprintf("runtimes-%x", sum[:6]), func(dir string) error {
		return npmPackages(ctx, dir, runtimeFiles, "runtimes")
	})
	if err != nil {
		return r, err
	}
	r.Modules = filepath.Join(dir, "node_modules")
	// The package of a program has others with the program itself, one for each platform, of
	// which npm installs the one for this.
	for pattern, program := range map[string]*string{"@deno/*/deno": &r.Deno, "@oven/bun-*/bin/bun": &r.Bun} {
		found, err := filepath.Glob(filepath.Join(r.Modules, pattern))
		if err != nil || len(found) == 0 {
			return r, &MissingError{What: pattern + " in " + r.Modules, Get: "Deno and Bun have no package for this platform", Err: err}
		}
		*program = found[0]
	}
	return r, nil
}
