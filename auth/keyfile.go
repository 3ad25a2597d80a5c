package auth

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync/atomic"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// keyFileEvery is how often a JWK Set file is checked for changes.
const keyFileEvery = 5 * time.Second

// fileKeys are the keys of a JWK Set file. A change of the file is noticed within
// keyFileEvery; while the file is missing or damaged, the keys that were read last
// remain in use.
type fileKeys struct {
	path string
	log  *slog.Logger

	set     atomic.Pointer[keySet]
	changes atomic.Uint64

	// Owned by newFileKeys, then by run.
	content []byte
	failed  bool
}

func newFileKeys(path string, log *slog.Logger) (*fileKeys, error) {
	f := &fileKeys{path: path, log: log}
	if err := f.read(); err != nil {
		return nil, fmt.Errorf("read key file: %w", err)
	}
	if len(f.set.Load().keys) == 0 {
		return nil, fmt.Errorf("read key file: %s has no key for RS256, ES256 or EdDSA", path)
	}
	return f, nil
}

// read loads the file. It compares contents because neither time nor size reveals
// every change, and the file is small.
func (f *fileKeys) read() error {
	file, err := os.Open(f.path)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	content, err := io.ReadAll(io.LimitReader(file, maxKeySetBytes+1))
	if err != nil {
		return err
	}
	if len(content) > maxKeySetBytes {
		return fmt.Errorf("%s is larger than %d bytes", f.path, maxKeySetBytes)
	}
	if bytes.Equal(content, f.content) {
		return nil
	}
	set, err := parseKeySet(content)
	if err != nil {
		return fmt.Errorf("%s: %w", f.path, err)
	}
	f.content = content
	f.set.Store(set)
	f.changes.Add(1)
	set.log(f.log.With("path", f.path), "read key file")
	return nil
}

func (f *fileKeys) run(ctx context.Context) {
	tick := time.NewTicker(keyFileEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		err := f.read()
		if err != nil && !f.failed {
			f.log.Warn("reading the key file failed; keeping the previous keys", "error", err)
		}
		f.failed = err != nil
	}
}

func (f *fileKeys) find(_ context.Context, id, algorithm string) (jwt.VerificationKeySet, error) {
	keys, _ := f.set.Load().find(id, algorithm)
	if len(keys.Keys) == 0 {
		return keys, errUnknownKey
	}
	return keys, nil
}

func (f *fileKeys) version() uint64 { return f.changes.Load() }

func (f *fileKeys) ready() error { return nil }
