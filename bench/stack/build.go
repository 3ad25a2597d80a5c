package stack

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
)

// Build builds the server's binary in dir, optionally with the race detector, and
// returns its path. It must run within the module.
func Build(ctx context.Context, dir string, race bool) (string, error) {
	binary := filepath.Join(dir, "sluice")
	args := []string{"build", "-buildvcs=false", "-o", binary}
	if race {
		args = append(args, "-race")
	}
	if out, err := exec.CommandContext(ctx, "go", append(args, "sluice/cmd/sluice")...).CombinedOutput(); err != nil {
		return "", fmt.Errorf("build sluice: %w: %s", err, lastLines(out))
	}
	return binary, nil
}
