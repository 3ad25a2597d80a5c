package rediskeys

import (
	"context"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"
)

// Once reports whether the ID of a proof is used for the first time, on any instance,
// and remembers it until a time.
func (c *Client) Once(ctx context.Context, id string, until time.Time) (bool, error) {
	left := max(time.Until(until), time.Second)
	err := c.call(ctx, "note proof", func(ctx context.Context) error {
		return c.redis.SetArgs(ctx, c.prefix+"dpop:"+id, "", redis.SetArgs{Mode: "NX", TTL: left}).Err()
	})
	if errors.Is(err, redis.Nil) {
		return false, nil
	}
	return err == nil, err
}
