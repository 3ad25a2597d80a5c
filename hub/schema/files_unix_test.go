//go:build unix

package schema_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"sluice/hub/schema"
)

// TestNoFileIsRead: a reference to a file does not even open it, which would block here.
func TestNoFileIsRead(t *testing.T) {
	t.Parallel()
	pipe := filepath.Join(t.TempDir(), "pipe.json")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	refused := make(chan error, 1)
	go func() {
		_, err := schema.Compile(fmt.Appendf(nil, `{"$ref": "file://%s"}`, pipe))
		refused <- err
	}()
	select {
	case err := <-refused:
		if err == nil || !strings.Contains(err.Error(), "refers to another file") {
			t.Errorf("got %v", err)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("the file was opened")
	}
}
