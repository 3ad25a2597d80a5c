package main

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/redis/go-redis/v9"
)

// redisLogger gives what go-redis has to say to slog, as it would write plain
// text to standard error otherwise. What matters of it is told as errors too.
type redisLogger struct{ logger *slog.Logger }

// Printf implements go-redis's logger.
func (l redisLogger) Printf(ctx context.Context, format string, args ...any) {
	l.logger.DebugContext(ctx, fmt.Sprintf(format, args...))
}

// logRedis sets go-redis's logger, which is one for the whole process.
func logRedis(logger *slog.Logger) { redis.SetLogger(redisLogger{logger.With("component", "redis")}) }
