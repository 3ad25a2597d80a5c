package redisstore

import (
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// newClient returns a client that fails soon. With its own defaults go-redis
// dials and retries for seconds while Redis is down; here a call is tried once
// and the circuit breaker does the rest. In a Cluster redirections are followed,
// within the call's deadline.
func newClient(options redis.UniversalOptions, timeout time.Duration) redis.UniversalClient {
	options.DialTimeout = timeout
	options.DialerRetries = 1
	options.ReadTimeout = timeout
	options.WriteTimeout = timeout
	options.PoolTimeout = timeout
	options.MaxRetries = -1
	options.MinRetryBackoff = time.Millisecond
	options.MaxRetryBackoff = timeout / 4
	options.ContextTimeoutEnabled = true

	// A replica may lag behind an ack that was already confirmed.
	options.ReadOnly = false
	options.RouteByLatency = false
	options.RouteRandomly = false

	// This saves one round trip per new connection; only Redis Enterprise has
	// these notifications.
	options.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	return redis.NewUniversalClient(&options)
}
