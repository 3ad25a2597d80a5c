package bearer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"time"
)

// File is a Source that reads a file, such as a projected token of Kubernetes. White
// space around the token is ignored.
type File struct{ Path string }

// Token implements Source.
func (f File) Token(context.Context) (Token, error) {
	// Without O_NONBLOCK a named pipe would block.
	file, err := os.OpenFile(f.Path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return Token{}, fmt.Errorf("read token file %s: %w", f.Path, withoutPath(err))
	}
	defer func() { _ = file.Close() }()
	content, err := io.ReadAll(io.LimitReader(file, MaxToken+1))
	if err != nil {
		return Token{}, fmt.Errorf("read token file %s: %w", f.Path, withoutPath(err))
	}
	token, err := NewToken(strings.TrimSpace(string(content)), time.Time{})
	if err != nil {
		return Token{}, fmt.Errorf("read token file %s: %w", f.Path, err)
	}
	return token, nil
}

func withoutPath(err error) error {
	var at *fs.PathError
	if errors.As(err, &at) {
		return at.Err
	}
	return err
}
