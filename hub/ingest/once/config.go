package once

import (
	"errors"
	"log/slog"
	"time"

	"sluice/hub/upstream"
)

// Logs finds the log of a stream. hub.Hub implements it.
type Logs interface {
	// Locate returns who reads the topic of a tenant's stream, and its name.
	Locate(tenant, stream string) (upstream.Source, string, error)
}

// Config configures a Guard. Every field is required.
type Config struct {
	Store Store
	Logs  Logs
	// Wait is how long a publisher waits for another one that stores the record.
	Wait time.Duration
	// Skew is how much the clocks of brokers and instances may differ.
	Skew time.Duration
	// LookbackTime bounds how long a publisher waits for the log.
	LookbackTime time.Duration
	// LookbackBytes bounds how much of a stream's log is looked through at a time.
	LookbackBytes int
	// Lookbacks bounds how many logs are looked through at a time. Tenants have turns alike.
	// One alone has three quarters of them at most, and a principal half.
	Lookbacks int
	// Pause is how long a leader is given to work off what it had received before its log
	// counts as complete.
	Pause  time.Duration
	Now    func() time.Time
	Logger *slog.Logger
}

func (c *Config) check() error {
	switch {
	case c.Store == nil || c.Logs == nil || c.Now == nil || c.Logger == nil:
		return errors.New("a store, logs, a clock and a logger are required")
	case c.Wait <= 0 || c.Skew < 0 || c.Pause < 0:
		return errors.New("a wait above zero is required")
	case c.LookbackTime <= 0 || c.LookbackBytes <= 0 || c.Lookbacks <= 0:
		return errors.New("bounds of looking back above zero are required")
	}
	return nil
}

// Policy is what a stream says about message ids.
type Policy struct {
	// Window is how long an id is remembered after its record was answered.
	Window time.Duration
	// Lease is how long after a claim its record may come to be stored: longer than all
	// attempts to store it, and than the last of these can be on its way.
	Lease time.Duration
	// Required refuses records without an id.
	Required bool
	// DeadLetters is the stream that keeps the invalid records, "" for none.
	DeadLetters string
}
