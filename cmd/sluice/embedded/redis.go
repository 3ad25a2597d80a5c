package embedded

import (
	"context"
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"time"

	"github.com/alicebob/miniredis/v2"
)

const (
	redisClockEvery = time.Second
	redisSaveEvery  = 5 * time.Second
)

func startRedis(config Config) (*miniredis.Miniredis, error) {
	redis := miniredis.NewMiniRedis()
	if path := snapshotPath(config); path != "" {
		if err := loadSnapshot(path, redis); err != nil {
			return nil, fmt.Errorf("load redis keys: %w", err)
		}
	}
	if err := redis.StartAddr(net.JoinHostPort("127.0.0.1", strconv.Itoa(config.RedisPort))); err != nil {
		return nil, fmt.Errorf("start redis: %w", err)
	}
	return redis, nil
}

// keepRedis advances the time by which keys expire, which miniredis does only on
// request, and saves the keys periodically.
func (e *Embedded) keepRedis(ctx context.Context) error {
	clock := time.NewTicker(redisClockEvery)
	defer clock.Stop()
	save := time.NewTicker(redisSaveEvery)
	defer save.Stop()
	last := time.Now()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case now := <-clock.C:
			e.redis.FastForward(now.Sub(last))
			last = now
		case <-save.C:
			if err := e.saveRedis(); err != nil {
				e.log.Error("saving redis keys failed", "error", err)
			}
		}
	}
}

func (e *Embedded) saveRedis() error {
	path := snapshotPath(e.config)
	if path == "" {
		return nil
	}
	return saveSnapshot(path, e.redis)
}

func snapshotPath(config Config) string {
	if config.DataDir == "" {
		return ""
	}
	return filepath.Join(config.DataDir, "redis.gob")
}
