package main

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/redis/go-redis/v9"
)

// redisLogger forwards the log of go-redis to slog; by default go-redis writes plain
// text to standard error. The level is debug because what matters is also returned
// as errors.
type redisLogger struct{ logger *slog.Logger }

// Printf implements go-redis's logger.
func (l redisLogger) Printf(ctx context.Context, format string, args ...any) {
	l.logger.DebugContext(ctx, fmt.Sprintf(format, args...))
}

// logRedis sets go-redis's logger, which is global to the process.
func logRedis(logger *slog.Logger) { redis.SetLogger(redisLogger{logger.With("component", "redis")}) }
