package client

import (
	"bytes"
	"embed"
	"fmt"
	"io/fs"
	"path"
	"runtime/debug"
	"strings"
	"sync"
)

//go:embed dist types package.json python/sluice.py
var embedded embed.FS

// versionMark is the placeholder in sluice.js for the version of the server.
const versionMark = "__VERSION__"

// Version is the version of the server, and so of its client, as npm writes it:
// without the v of Go's.
var Version = sync.OnceValue(func() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || !strings.HasPrefix(info.Main.Version, "v") {
		return "0.0.0-devel"
	}
	return info.Main.Version[1:]
})

// Modules returns the modules by name, such as sluice.js.
func Modules() (map[string][]byte, error) {
	modules := map[string][]byte{}
	for _, pattern := range []string{"dist/*.js", "types/*.d.ts"} {
		names, err := fs.Glob(embedded, pattern)
		if err != nil {
			return nil, fmt.Errorf("list modules of the client: %w", err)
		}
		for _, name := range names {
			text, err := embedded.ReadFile(name)
			if err != nil {
				return nil, fmt.Errorf("read module of the client: %w", err)
			}
			modules[path.Base(name)] = bytes.ReplaceAll(text, []byte(versionMark), []byte(Version()))
		}
	}
	return modules, nil
}

// pythonVersion is the version of the Python client in the repository.
const pythonVersion = `__version__ = "0.0.0.dev0"`

// Python returns the Python client, with the version of this server.
func Python() ([]byte, error) {
	text, err := embedded.ReadFile("python/sluice.py")
	if err != nil {
		return nil, fmt.Errorf("read Python client: %w", err)
	}
	return bytes.Replace(text, []byte(pythonVersion), fmt.Appendf(nil, "__version__ = %q", Version()), 1), nil
}
