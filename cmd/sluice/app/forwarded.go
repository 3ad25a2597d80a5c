package app

import (
	"fmt"
	"log/slog"

	"sluice/auth/rediskeys"
	"sluice/cmd/sluice/config"
	"sluice/transport"
)

func (v *verifiers) addForwarded(c *config.Config, _ *rediskeys.Client, _ *slog.Logger) error {
	if c.Auth.Forwarded == nil {
		return nil
	}
	headers, err := c.Auth.Forwarded.New()
	if err != nil {
		return fmt.Errorf("auth/forwarded: %w", err)
	}
	v.forwarded = headers
	v.list = append(v.list, headers)
	return nil
}

// forwards returns the reader of what proxies say, nil for none.
func (v *verifiers) forwards() transport.Forwarded {
	if v.forwarded == nil {
		return nil
	}
	return v.forwarded
}
