package config

import "time"

// DPoP configures which proofs of possession are accepted.
type DPoP struct {
	MaxAge           time.Duration `koanf:"max_age" default:"60s" validate:"between=1s..10m" doc:"age up to which a proof is accepted; auth/clock_skew is added, also for proofs from the future"`
	Remembered       int           `koanf:"remembered" default:"300000" validate:"between=1000..10000000" unit:"proofs" doc:"proofs that are remembered as used, for max_age and twice auth/clock_skew, at about 100 bytes each; above the limit the error is overloaded"`
	RememberedPerKey int           `koanf:"remembered_per_key" default:"10000" validate:"between=10..1000000" unit:"proofs" doc:"likewise, of one key: divided by max_age and twice auth/clock_skew, the requests a second that a client can keep up"`
	Redis            bool          `koanf:"redis" default:"false" doc:"remember the proofs in Redis too, so that none can be used on a second instance or after a restart"`
}
