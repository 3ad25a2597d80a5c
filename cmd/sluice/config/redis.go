package config

import (
	"time"

	"sluice/auth"
)

// Redis configures the Redis that keeps named cursors.
type Redis struct {
	URL          SecretURL     `koanf:"url" validate:"omitempty,redis_url" doc:"one server: redis://[user[:password]@]host:port[/db], or rediss:// for TLS"`
	Sentinel     *Sentinel     `koanf:"sentinel" doc:"a primary that sentinels know"`
	Cluster      []string      `koanf:"cluster" validate:"unique,dive,dial_address" doc:"addresses of a Redis Cluster to begin with, host:port"`
	Username     string        `koanf:"username" doc:"user name (ACL), where url does not give one"`
	PasswordFile Path          `koanf:"password_file" validate:"omitempty,readable_file" doc:"file that holds the password; one line end after it is ignored"`
	TLS          *ClientTLS    `koanf:"tls" doc:"connect over TLS; {} takes the system's authorities. With url, only for rediss://"`
	Timeout      time.Duration `koanf:"timeout" default:"1s" validate:"between=10ms..1m" doc:"bound for one call; there are no retries"`

	// Password is the content of PasswordFile.
	Password auth.Secret `koanf:"-" validate:"-"`
}

// Sentinel configures how the primary is found.
type Sentinel struct {
	Master       string   `koanf:"master" validate:"required" doc:"name under which the sentinels know the primary"`
	Addresses    []string `koanf:"addresses" validate:"required,min=1,unique,dive,dial_address" doc:"addresses of the sentinels, host:port"`
	DB           int      `koanf:"db" validate:"between=0..1000000" unit:"database number" default:"0" doc:"database to select"`
	Username     string   `koanf:"username" doc:"user name for the sentinels themselves"`
	PasswordFile Path     `koanf:"password_file" validate:"omitempty,readable_file" doc:"file that holds the password for the sentinels themselves"`

	// Password is the content of PasswordFile.
	Password auth.Secret `koanf:"-" validate:"-"`
}

// Configured reports whether a Redis is configured at all.
func (r Redis) Configured() bool {
	return !r.URL.IsZero() || r.Sentinel != nil || len(r.Cluster) > 0
}
