package client_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"sluice/web/client"
)

// packages are from the npm registry, for the tests alone.
var packages = []string{
	"typescript@7.0.2", "react@19.2.0", "react-test-renderer@19.2.0", "vue@3.5.22", "svelte@5.39.0", "rxjs@7.8.2",
}

// program returns the path of a program. Under CI=true it must be installed.
func program(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("%s is needed", name)
		}
		t.Skipf("%s is not installed", name)
	}
	return path
}

var install = sync.OnceValues(func() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, "sluice", "client-"+strings.NewReplacer("@", "-", "/", "-").Replace(strings.Join(packages, "_")))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	complete := filepath.Join(dir, "complete")
	if _, err := os.Stat(complete); err == nil {
		return dir, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "npm", append([]string{"install", "--prefix", dir, "--ignore-scripts", "--no-audit", "--no-fund"}, packages...)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", &exec.Error{Name: string(out), Err: err}
	}
	return dir, os.WriteFile(complete, nil, 0o600)
})

// project returns a folder in which the client's package is installed, beside the
// packages above.
func project(t *testing.T) string {
	t.Helper()
	program(t, "npm")
	installed, err := install()
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skipf("npm cannot reach its registry: %v", err)
	}
	dir := t.TempDir()
	modules := filepath.Join(dir, "node_modules")
	if err := os.Mkdir(modules, 0o755); err != nil {
		t.Fatal(err)
	}
	there, err := os.ReadDir(filepath.Join(installed, "node_modules"))
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range there {
		if err := os.Symlink(filepath.Join(installed, "node_modules", entry.Name()), filepath.Join(modules, entry.Name())); err != nil {
			t.Fatal(err)
		}
	}
	unpack(t, filepath.Join(modules, "sluice-client"))
	return dir
}

// unpack unpacks the client's package.
func unpack(t *testing.T, dir string) {
	t.Helper()
	pack, err := client.Package()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), program(t, "tar"), "xz", "--strip-components=1", "-C", dir)
	cmd.Stdin = strings.NewReader(string(pack))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("unpack: %v: %s", err, out)
	}
}

// write writes a file of a test's project.
func write(t *testing.T, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
