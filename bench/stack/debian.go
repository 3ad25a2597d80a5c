package stack

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
)

// Programs by the Debian package that contains them.
var programs = map[string]string{
	"redis-server": "redis-server",
	"kcat":         "kcat",
	"chromium":     "chromium",
	"nginx":        "nginx",
	"haproxy":      "haproxy",
	"prometheus":   "promtool",
	"iproute2":     "ss",
	"nodejs":       "node",
}

var apt struct {
	sync.Mutex
	updated bool
}

// Install makes sure that the programs of the named Debian packages are installed.
// Missing packages are installed if this process is root on Debian; elsewhere the
// error is a *MissingError. The system services of these packages are not started.
func Install(ctx context.Context, packages ...string) error {
	apt.Lock()
	defer apt.Unlock()
	missing := slices.DeleteFunc(slices.Clone(packages), installed)
	if len(missing) == 0 {
		return nil
	}
	names := strings.Join(missing, " ")
	get := "apt-get install --no-install-recommends " + names
	if _, err := exec.LookPath("apt-get"); err != nil {
		return &MissingError{What: names, Get: "install it; on Debian: " + get}
	}
	if os.Geteuid() != 0 {
		return &MissingError{What: names, Get: "as root: " + get}
	}
	if !apt.updated {
		if err := aptGet(ctx, "update"); err != nil {
			return &MissingError{What: names, Get: get, Err: err}
		}
		apt.updated = true
	}
	if err := aptGet(ctx, append([]string{"install", "-y", "--no-install-recommends"}, missing...)...); err != nil {
		return &MissingError{What: names, Get: get, Err: err}
	}
	for _, name := range missing {
		if !installed(name) {
			return &MissingError{What: name, Get: get}
		}
	}
	return nil
}

func installed(name string) bool {
	program, ok := programs[name]
	if !ok {
		program = name
	}
	_, err := exec.LookPath(program)
	return err == nil
}

func aptGet(ctx context.Context, args ...string) error {
	// Another process may be installing too: wait for its lock.
	args = append([]string{"-qq", "-o", "DPkg::Lock::Timeout=300"}, args...)
	cmd := exec.CommandContext(ctx, "apt-get", args...)
	// RUNLEVEL=1 keeps Debian's maintainer scripts from starting services.
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive", "RUNLEVEL=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("run apt-get: %w: %s", err, lastLines(out))
	}
	return nil
}

func lastLines(out []byte) []byte {
	const most = 1000
	if len(out) > most {
		out = out[len(out)-most:]
	}
	return bytes.TrimSpace(out)
}
