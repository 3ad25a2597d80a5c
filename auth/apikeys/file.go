package apikeys

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// fileEvery is how often the file is checked for changes.
	fileEvery = 5 * time.Second
	// maxFileBytes bounds the file.
	maxFileBytes = 16 << 20
	// maxRemoved bounds the removed entries that are remembered.
	maxRemoved = 50_000
)

// file is a file with entries. While it is missing or damaged, the entries that were
// read last remain in use.
type file struct {
	path   string
	issuer string
	differ func() // called when entries were removed or changed
	log    *slog.Logger

	entries atomic.Pointer[map[string]*entry] // never changed, but replaced

	mu      sync.Mutex
	content []byte
	failed  bool
	gone    map[string]struct{} // the IDs of entries that were removed
}

func newFile(path, issuer string, differ func(), log *slog.Logger) (*file, error) {
	f := &file{path: path, issuer: issuer, differ: differ, log: log, gone: make(map[string]struct{})}
	if err := f.read(); err != nil {
		return nil, fmt.Errorf("read keys: %w", err)
	}
	return f, nil
}

// read loads the file. It compares contents because neither time nor size reveals
// every change. It requires mu, except for newFile.
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
	f.replace(entries)
	f.log.Info("read API keys", "path", f.path, "keys", len(entries))
	return nil
}

// replace puts other entries in use. Those that are as before stay the same ones.
func (f *file) replace(entries map[string]*entry) {
	differs := false
	if before := f.entries.Load(); before != nil {
		for id, was := range *before {
			switch now := entries[id]; {
			case now == nil:
				makeRoom(f.gone, maxRemoved)
				f.gone[id] = struct{}{}
				differs = true
			case now.same(was):
				entries[id] = was
			default:
				differs = true
			}
		}
	}
	for id := range entries {
		delete(f.gone, id)
	}
	f.entries.Store(&entries)
	if differs {
		f.differ()
	}
}

// removed reports whether the file had an entry that it does not have now.
func (f *file) removed(id string) bool {
	if f == nil {
		return false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	_, ok := f.gone[id]
	return ok
}

// readAgain reads the file if it has changed.
func (f *file) readAgain() {
	f.mu.Lock()
	defer f.mu.Unlock()
	err := f.read()
	if err != nil && !f.failed {
		f.log.Error("reading API keys failed; the previous keys remain valid, also those that were removed from the file", "error", err)
	}
	f.failed = err != nil
}

// find returns the entry of an ID, or nil.
func (f *file) find(id string) *entry {
	if f == nil {
		return nil
	}
	return (*f.entries.Load())[id]
}
