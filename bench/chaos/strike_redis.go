package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// emptying deletes all keys but those of message ids, which are stored once as long as Redis
// keeps them. It returns how many others there were and are, and how many of these.
var emptying = redis.NewScript(`
local others = {}
local ids = 0
for _, key in ipairs(redis.call('KEYS', '*')) do
  if string.find(key, 'sluice:message:', 1, true) == 1 then ids = ids + 1 else others[#others + 1] = key end
end
for _, key in ipairs(others) do redis.call('DEL', key) end
return {#others, redis.call('DBSIZE') - ids, ids}
`)

func (s *storm) strikeRedis(ctx context.Context, f fault) (string, error) {
	node := s.stage.Redis.Nodes[0]
	switch f.kind {
	case killed: // it keeps what it has
		before, err := s.runID(ctx)
		if err != nil {
			return "", err
		}
		shown, err := kill(node.Server)
		if err != nil {
			return shown, err
		}
		wait(ctx, f.lasts)
		if err := node.Start(ctx); err != nil {
			return shown, err
		}
		after, err := s.runID(ctx)
		if err == nil && after == before {
			err = fmt.Errorf("%w: it is the same run", errMissed)
		}
		return fmt.Sprintf("%s, run %.8s and then %.8s", shown, before, after), err
	case paused:
		return pause(ctx, node.Server, f.lasts, func(ctx context.Context) error { return s.stage.store.Ping(ctx).Err() })
	case emptied:
		s.forgotten.Add(1)
		defer s.forgotten.Add(1)
		keys, err := emptying.Run(ctx, s.stage.store, nil).Int64Slice()
		if err != nil || len(keys) != 3 {
			return "", fmt.Errorf("empty redis: %v: %w", keys, err)
		}
		shown := fmt.Sprintf("%d keys before, %d after, and %d message ids", keys[0], keys[1], keys[2])
		if keys[0] == 0 || keys[1] != 0 {
			return shown, fmt.Errorf("%w: nothing was lost", errMissed)
		}
		return shown, nil
	}
	return "", fmt.Errorf("no such fault: %s", f.kind)
}

// runID returns the id that distinguishes one run of Redis from another.
func (s *storm) runID(ctx context.Context) (string, error) {
	var id string
	err := until(ctx, 5*time.Second, func() error {
		info, err := s.stage.store.Info(ctx, "server").Result()
		if err != nil {
			return fmt.Errorf("ask redis: %w", err)
		}
		_, rest, ok := strings.Cut(info, "run_id:")
		if !ok {
			return errors.New("ask redis: it has no run id")
		}
		id, _, _ = strings.Cut(rest, "\r\n")
		return nil
	})
	return id, err
}
