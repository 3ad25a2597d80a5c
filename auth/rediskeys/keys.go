package rediskeys

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

// maxEntryBytes bounds an entry.
const maxEntryBytes = 16 << 10

// ErrExists is the error of AddEntry if there is an entry already.
var ErrExists = errors.New("an entry with this ID exists")

func (c *Client) entryKey(id string) string { return c.prefix + "apikey:" + id }

// Entry returns the entry of an API key, or nil if there is none.
func (c *Client) Entry(ctx context.Context, id string) ([]byte, error) {
	var entry []byte
	err := c.call(ctx, "read API key", func(ctx context.Context) (err error) {
		// Unlike GET, this does not transfer more than is asked for. An entry is never
		// empty, which is how a missing one is read.
		entry, err = c.redis.GetRange(ctx, c.entryKey(id), 0, maxEntryBytes).Bytes()
		return err
	})
	switch {
	case err != nil:
		return nil, err
	case len(entry) == 0:
		return nil, nil
	case len(entry) > maxEntryBytes:
		return nil, fmt.Errorf("read API key: the entry is larger than %d bytes", maxEntryBytes)
	}
	return entry, nil
}

// AddEntry stores the entry of a new API key. Redis removes it when it expires, unless
// the time is zero.
func (c *Client) AddEntry(ctx context.Context, id string, entry []byte, expires time.Time) error {
	if len(entry) > maxEntryBytes {
		return fmt.Errorf("store API key: the entry is larger than %d bytes", maxEntryBytes)
	}
	options := redis.SetArgs{Mode: "NX", ExpireAt: expires}
	err := c.call(ctx, "store API key", func(ctx context.Context) error {
		return c.redis.SetArgs(ctx, c.entryKey(id), entry, options).Err()
	})
	if errors.Is(err, redis.Nil) {
		return fmt.Errorf("store API key: %w", ErrExists)
	}
	return err
}
