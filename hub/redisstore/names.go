package redisstore

import (
	"context"
	_ "embed" // the script
	"fmt"
	"net/url"

	"github.com/redis/go-redis/v9"

	"sluice/hub/cursors"
)

//go:embed names.lua
var namesSource string

var namesScript = redis.NewScript(namesSource)

// namesKey returns the key of the names of a principal. They are in another slot of a
// Cluster than the names' own data.
func (s *Store) namesKey(principal string) string {
	return s.prefix + "cursors:{" + url.QueryEscape(principal) + "}"
}

// nameOf returns the name of a cursor among those of its principal.
func nameOf(name cursors.Key) string {
	return url.QueryEscape(name.Stream) + "/" + url.QueryEscape(name.Name)
}

// counting returns the run that counts a name, which is to be sent along with one that
// leaves the name alone if nothing is stored under it. The result is nil if names are not
// limited.
func (s *Store) counting(name cursors.Key) *scripted {
	if s.names == 0 {
		return nil
	}
	return &scripted{
		script: namesScript,
		keys:   []string{s.namesKey(name.Principal)},
		args:   []any{nameOf(name), s.ttl.Milliseconds(), s.names},
	}
}

// counted returns an error unless there was room for the name.
func counted(run *scripted) error {
	if run == nil {
		return nil
	}
	room, err := run.reply.Int()
	switch {
	case err != nil:
		return fmt.Errorf("count names: %w: %w", cursors.ErrStoreUnavailable, err)
	case room == 0:
		return fmt.Errorf("count names: %w", cursors.ErrTooManyNames)
	}
	return nil
}

// uncount takes a name that is not stored any more from those of its principal.
func (s *Store) uncount(ctx context.Context, name cursors.Key) error {
	return s.client.ZRem(ctx, s.namesKey(name.Principal), nameOf(name)).Err()
}
