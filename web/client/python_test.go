package client_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"sluice/bench/stack"
)

// python returns a command for a program in Python that uses the client, and its errors.
func python(t *testing.T, file string, args ...string) (cmd *exec.Cmd, errs *bytes.Buffer) {
	t.Helper()
	interpreter, err := stack.PythonLibraries(t.Context())
	stack.Check(t, err)
	client, err := filepath.Abs("python")
	if err != nil {
		t.Fatal(err)
	}
	cmd = exec.CommandContext(t.Context(), interpreter, append([]string{"-B", "-u", file}, args...)...)
	cmd.Env = append(os.Environ(), "PYTHONPATH="+client)
	errs = &bytes.Buffer{}
	cmd.Stderr = errs
	return cmd, errs
}

// TestConformanceInPython runs the cases for its transports with the Python client.
func TestConformanceInPython(t *testing.T) {
	t.Parallel()
	for _, c := range cases(t) {
		if c.Transport == "pages" {
			continue
		}
		t.Run(c.file+" "+c.Name, func(t *testing.T) {
			t.Parallel()
			s := newScripted(t, c)
			cmd, errs := python(t, "conformance/run.py", s.URL, string(c.raw))
			out, err := cmd.Output()
			if err != nil {
				t.Fatalf("%v: %s", err, errs.String())
			}
			s.check(t, c, out)
			if errs.Len() > 0 {
				t.Errorf("it printed %s", errs)
			}
		})
	}
}
