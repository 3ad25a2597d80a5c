package config

import (
	"time"

	"sluice/auth"
)

// Redis configures the Redis that keeps what several instances share.
type Redis struct {
	URL          SecretURL     `koanf:"url" validate:"omitempty,redis_url" doc:"one server: redis://[user[:password]@]host:port[/db], or rediss:// for TLS"`
	Sentinel     *Sentinel     `koanf:"sentinel" doc:"a primary that is found through Redis Sentinel"`
	Cluster      []string      `koanf:"cluster" validate:"unique,dive,dial_address" doc:"addresses of initial nodes of a Redis Cluster, host:port"`
	Username     string        `koanf:"username" doc:"user name (ACL), if url contains none"`
	PasswordFile Path          `koanf:"password_file" validate:"omitempty,readable_file" doc:"file that contains the password; one trailing line break is ignored"`
	TLS          *ClientTLS    `koanf:"tls" doc:"connect over TLS; {} uses the system's certificate authorities. With url, only for rediss://"`
	Timeout      time.Duration `koanf:"timeout" default:"1s" validate:"between=10ms..1m" doc:"timeout of one call; calls are not retried"`

	// Password is the content of PasswordFile.
	Password auth.Secret `koanf:"-" validate:"-"`
}

// Sentinel configures how the primary is found.
type Sentinel struct {
	Master       string   `koanf:"master" validate:"required" doc:"name of the primary in Redis Sentinel"`
	Addresses    []string `koanf:"addresses" validate:"required,min=1,unique,dive,dial_address" doc:"addresses of the sentinels, host:port"`
	DB           int      `koanf:"db" validate:"between=0..1000000" unit:"database number" default:"0" doc:"database to select"`
	Username     string   `koanf:"username" doc:"user name for the sentinels"`
	PasswordFile Path     `koanf:"password_file" validate:"omitempty,readable_file" doc:"file that contains the password for the sentinels; one trailing line break is ignored"`

	// Password is the content of PasswordFile.
	Password auth.Secret `koanf:"-" validate:"-"`
}

// Configured reports whether a Redis is configured at all.
func (r Redis) Configured() bool {
	return !r.URL.IsZero() || r.Sentinel != nil || len(r.Cluster) > 0
}
