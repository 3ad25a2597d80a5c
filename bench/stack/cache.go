package stack

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// fetched returns a folder of the user's cache directory, which fetch fills the first time.
// Processes that fetch at the same time wait for the first.
func fetched(name string, fetch func(dir string) error) (dir string, err error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find cache folder: %w", err)
	}
	dir = filepath.Join(cache, "sluice", name)
	complete := filepath.Join(dir, "complete")
	if exists(complete) {
		return dir, nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("make cache folder: %w", err)
	}
	unlock, err := lockFile(filepath.Join(dir, "lock"))
	if err != nil {
		return "", err
	}
	defer unlock()
	if exists(complete) {
		return dir, nil
	}
	if err := fetch(dir); err != nil {
		return "", err
	}
	if err := os.WriteFile(complete, nil, 0o644); err != nil {
		return "", fmt.Errorf("mark cache folder: %w", err)
	}
	return dir, nil
}

func exists(file string) bool {
	_, err := os.Stat(file)
	return !errors.Is(err, os.ErrNotExist)
}

// lockFile takes a lock between processes, which the kernel releases when this
// process dies.
func lockFile(name string) (unlock func(), err error) {
	file, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("lock cache folder: %w", err)
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX); err != nil {
		file.Close()
		return nil, fmt.Errorf("lock cache folder: %w", err)
	}
	return func() { file.Close() }, nil
}
