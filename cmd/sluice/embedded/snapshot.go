package embedded

import (
	"encoding/gob"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/alicebob/miniredis/v2"
)

// snapshot is the content of the Redis file: the kinds of keys that Sluice uses, of
// database 0. It is taken key by key, so it is not atomic.
type snapshot struct{ Keys []savedKey }

type savedKey struct {
	Name    string
	Expires time.Time // zero for never
	Text    *string
	Hash    map[string]string
	Set     []string
	Sorted  map[string]float64
}

// saveSnapshot replaces the file as a whole, so that a crash leaves the old one or
// the new one.
func saveSnapshot(path string, redis *miniredis.Miniredis) error {
	taken := takeSnapshot(redis, time.Now())
	file, err := os.OpenFile(path+".new", os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("save snapshot: %w", err)
	}
	err = errors.Join(gob.NewEncoder(file).Encode(taken), file.Close())
	if err == nil {
		err = os.Rename(path+".new", path)
	}
	if err != nil {
		return fmt.Errorf("save snapshot: %w", err)
	}
	return nil
}

func takeSnapshot(redis *miniredis.Miniredis, now time.Time) snapshot {
	var taken snapshot
	for _, name := range redis.Keys() {
		key := savedKey{Name: name}
		if left := redis.TTL(name); left > 0 {
			key.Expires = now.Add(left)
		}
		// A key can expire, or change its kind, between two calls: it is then
		// omitted, or empty.
		switch redis.Type(name) {
		case "string":
			if text, err := redis.Get(name); err == nil {
				key.Text = &text
			}
		case "hash":
			fields, _ := redis.HKeys(name)
			key.Hash = make(map[string]string, len(fields))
			for _, field := range fields {
				key.Hash[field] = redis.HGet(name, field)
			}
		case "set":
			key.Set, _ = redis.Members(name)
		case "zset":
			key.Sorted, _ = redis.SortedSet(name)
		}
		taken.Keys = append(taken.Keys, key)
	}
	return taken
}

// loadSnapshot restores keys that have not expired. A missing file is not an error.
func loadSnapshot(path string, redis *miniredis.Miniredis) error {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("load snapshot: %w", err)
	}
	defer func() { _ = file.Close() }()
	var saved snapshot
	if err := gob.NewDecoder(file).Decode(&saved); err != nil {
		return fmt.Errorf("load snapshot %s: %w", path, err)
	}
	now := time.Now()
	for _, key := range saved.Keys {
		if key.Expires.IsZero() || key.Expires.After(now) {
			if err := key.restore(redis, now); err != nil {
				return fmt.Errorf("load snapshot: key %q: %w", key.Name, err)
			}
		}
	}
	return nil
}

func (k savedKey) restore(redis *miniredis.Miniredis, now time.Time) error {
	switch {
	case k.Text != nil:
		if err := redis.Set(k.Name, *k.Text); err != nil {
			return err
		}
	case len(k.Hash) > 0:
		for field, value := range k.Hash {
			redis.HSet(k.Name, field, value)
		}
	case len(k.Set) > 0:
		if _, err := redis.SetAdd(k.Name, k.Set...); err != nil {
			return err
		}
	case len(k.Sorted) > 0:
		for member, score := range k.Sorted {
			if _, err := redis.ZAdd(k.Name, score, member); err != nil {
				return err
			}
		}
	default:
		return nil
	}
	if !k.Expires.IsZero() {
		redis.SetTTL(k.Name, k.Expires.Sub(now))
	}
	return nil
}
