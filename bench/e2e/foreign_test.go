package e2e_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sluice/bench/stack"
)

// program is a program of testdata, which knows nothing of the server.
type program struct {
	command []string
	env     []string
}

// javaProgram is one with the clients of Kafka and Avro.
func javaProgram(t *testing.T, name string) program {
	t.Helper()
	classPath, err := stack.JavaLibraries(within(t, time.Minute))
	stack.Check(t, err)
	return program{command: []string{
		"java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx128m", "-Dorg.slf4j.simpleLogger.defaultLogLevel=error",
		"-cp", classPath, filepath.Join("testdata", name),
	}}
}

// nodeProgram is one with the packages of bench/stack/libraries/package.json.
func nodeProgram(t *testing.T, name string) program {
	t.Helper()
	modules, err := stack.NodeLibraries(within(t, time.Minute))
	stack.Check(t, err)
	return program{command: []string{"node", filepath.Join("testdata", name)}, env: []string{"NODE_PATH=" + modules}}
}

// pythonProgram is one with the packages of bench/stack/libraries/requirements.txt.
func pythonProgram(t *testing.T, name string) program {
	t.Helper()
	python, err := stack.PythonLibraries(within(t, time.Minute))
	stack.Check(t, err)
	return program{command: []string{python, "-B", filepath.Join("testdata", name)}}
}

// run runs the program, and returns what it prints.
func (p program) run(ctx context.Context, t *testing.T, input string, args ...string) string {
	t.Helper()
	all := append(p.command[1:len(p.command):len(p.command)], args...)
	cmd := exec.CommandContext(ctx, p.command[0], all...)
	cmd.Env = append(os.Environ(), p.env...)
	cmd.Stdin = strings.NewReader(input)
	var out, faults bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &faults
	if err := cmd.Run(); err != nil {
		t.Fatalf("run %s: %v\n%s\n%s", all[len(p.command)-2], err, faults.String(), out.String())
	}
	return out.String()
}
