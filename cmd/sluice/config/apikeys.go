package config

import "time"

// APIKeys configures API keys. Its fields are in the section auth.
type APIKeys struct {
	APIKeysFile       Path          `koanf:"api_keys_file" validate:"omitempty,readable_file" doc:"file that contains the entries of API keys (YAML, made by sluice key create); read again when the file changes"`
	APIKeysRedis      bool          `koanf:"api_keys_redis" default:"false" doc:"look up API keys that are not in api_keys_file in Redis, under sluice:apikey:ID (made by sluice key create --redis)"`
	APIKeysStale      time.Duration `koanf:"api_keys_stale" default:"5s" validate:"between=100ms..1m" doc:"how long an entry from Redis is used before Redis is asked again; a key that was removed is valid for this much longer"`
	APIKeysIssuer     string        `koanf:"api_keys_issuer" default:"api-keys" validate:"required" doc:"issuer of the principals of API keys, which becomes their iss claim; must differ from the issuers of other credentials"`
	APIKeysSlowChecks int           `koanf:"api_keys_slow_checks" default:"2" validate:"between=1..64" unit:"checks" doc:"slow hashes (bcrypt, argon2id) that are computed at the same time; each uses one processor and, for argon2id, up to 128 MiB"`
}

// HasAPIKeys reports whether API keys are accepted.
func (k APIKeys) HasAPIKeys() bool { return k.APIKeysFile != "" || k.APIKeysRedis }
