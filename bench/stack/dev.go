package stack

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"syscall"
)

// StartDev runs sluice dev, whose streams have demo data, on ports of its own, until stop is
// called or the context ends. The binary is built in a directory.
func StartDev(ctx context.Context, dir string) (address string, stop func(), err error) {
	binary, err := Build(ctx, dir, false)
	if err != nil {
		return "", nil, err
	}
	cmd := exec.CommandContext(ctx, binary, "dev", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0")
	cmd.Stderr = os.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	out, err := cmd.StdoutPipe()
	if err != nil {
		return "", nil, fmt.Errorf("start dev: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return "", nil, fmt.Errorf("start dev: %w", err)
	}
	stop = func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if address := regexp.MustCompile(`http://(\S+)/$`).FindStringSubmatch(lines.Text()); address != nil {
			go func() { _, _ = io.Copy(io.Discard, out) }()
			return address[1], stop, nil
		}
	}
	stop()
	return "", nil, errors.New("start dev: it says no address")
}
