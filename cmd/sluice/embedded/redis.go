package embedded

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
)

const (
	redisClockEvery = time.Second
	redisSaveEvery  = 5 * time.Second
)

// replayWithin bounds how long the commands since the last snapshot take.
const replayWithin = time.Minute

func (e *Embedded) startRedis() error {
	made := miniredis.NewMiniRedis()
	path := snapshotPath(e.config)
	if path != "" {
		if err := loadSnapshot(path, made); err != nil {
			return fmt.Errorf("load redis keys: %w", err)
		}
	}
	if err := made.StartAddr(net.JoinHostPort("127.0.0.1", strconv.Itoa(e.config.RedisPort))); err != nil {
		return fmt.Errorf("start redis: %w", err)
	}
	e.redis = made
	if path == "" {
		return nil
	}
	return e.startJournal()
}

// startJournal executes again what no snapshot has, and keeps the commands from now on.
func (e *Embedded) startJournal() error {
	j, err := newJournal(e.config.DataDir, e.redis.IsReadOnlyCommand)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), replayWithin)
	defer cancel()
	client := redis.NewClient(&redis.Options{Addr: e.redis.Addr(), DisableIdentity: true, ReadTimeout: replayWithin})
	defer func() { _ = client.Close() }()
	if err := j.replay(ctx, client); err != nil {
		return err
	}
	e.journal = j
	e.redis.Server().SetPreHook(j.note)
	return e.saveRedis()
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
	if e.journal == nil {
		return nil
	}
	rotated := e.journal.rotate()
	if err := saveSnapshot(snapshotPath(e.config), e.redis); err != nil {
		return errors.Join(rotated, err)
	}
	return errors.Join(rotated, e.journal.forget(keptJournals))
}

// keptJournals is how many files of the journal may have commands that the last snapshot lacks.
const keptJournals = 2

func snapshotPath(config Config) string {
	if config.DataDir == "" {
		return ""
	}
	return filepath.Join(config.DataDir, "redis.gob")
}
