package apikeys

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync/atomic"
	"time"
)

const (
	// fileEvery is how often the file is checked for changes.
	fileEvery = 5 * time.Second
	// maxFileBytes bounds the file.
	maxFileBytes = 16 << 20
)

// file is a file with entries. While it is missing or damaged, the entries that were
// read last remain in use.
type file struct {
	path   string
	issuer string
	log    *slog.Logger

	entries atomic.Pointer[map[string]*entry] // never changed, but replaced

	// Owned by newFile, then by run.
	content []byte
	failed  bool
}

func newFile(path, issuer string, log *slog.Logger) (*file, error) {
	f := &file{path: path, issuer: issuer, log: log}
	if err := f.read(); err != nil {
		return nil, fmt.Errorf("read keys: %w", err)
	}
	return f, nil
}

// read loads the file. It compares contents because neither time nor size reveals
// every change.
func (f *file) read() error {
	opened, err := os.Open(f.path)
	if err != nil {
		return err
	}
	defer func() { _ = opened.Close() }()
	content, err := io.ReadAll(io.LimitReader(opened, maxFileBytes+1))
	if err != nil {
		return err
	}
	if len(content) > maxFileBytes {
		return fmt.Errorf("%s is larger than %d bytes", f.path, maxFileBytes)
	}
	if f.entries.Load() != nil && bytes.Equal(content, f.content) {
		return nil
	}
	entries, err := parseFile(content, f.issuer)
	if err != nil {
		return fmt.Errorf("%s: %w", f.path, err)
	}
	f.content = content
	f.entries.Store(&entries)
	f.log.Info("read API keys", "path", f.path, "keys", len(entries))
	return nil
}

func (f *file) run(ctx context.Context) {
	tick := time.NewTicker(fileEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		err := f.read()
		if err != nil && !f.failed {
			f.log.Error("reading API keys failed; the previous keys remain valid, also those that were removed from the file", "error", err)
		}
		f.failed = err != nil
	}
}

// find returns the entry of an ID, or nil.
func (f *file) find(id string) *entry {
	if f == nil {
		return nil
	}
	return (*f.entries.Load())[id]
}
