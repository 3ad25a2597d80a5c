// Package config reads the configuration of Sluice.
//
// A configuration is assembled from four layers, each of which overrides the one
// before: the defaults, a YAML file, environment variables that begin with SLUICE_,
// and command-line flags. Maps are merged, lists are replaced.
//
// Guarantees:
//   - Load reports every fault that it finds, not just the first: unknown keys (with
//     the key that was probably meant), values of a wrong type or out of bounds,
//     missing fields, fields that contradict each other, files that cannot be read.
//     Each is named by its path, such as streams/market.ticks/topic.
//   - A configuration without a way to authenticate and without an explicit
//     anonymous grant is refused.
//   - Secrets come from files or are part of a URL, are printed in redacted form,
//     and never appear in a fault.
//   - The result of Load is complete: every default is filled in, every path is
//     absolute, every secret has been read. No other package supplies defaults.
//
// Relative file names are relative to the directory of the configuration file,
// whichever layer they come from, and to the working directory if there is no file.
//
// In the name of an environment variable two underscores separate levels:
// SLUICE_LIMITS__MESSAGE_BYTES=1MiB is limits/message_bytes. The name of a stream or
// cluster is written in capitals, with an underscore for every character other than
// a letter or digit, and must be in the file: SLUICE_STREAMS__MARKET_TICKS__TOPIC. A
// list of texts is separated by commas; anything nested deeper is written as YAML.
//
// Every field is documented once, in the tags of its struct: koanf is its name,
// default its default, validate its bounds (see rules.go), unit the unit of a
// number, doc its meaning. Reference prints them.
//
// Load may be called from any number of goroutines and starts none. A Config is not
// changed after Load has returned it.
//
// Tour: config.go, tls.go, kafka.go (with sasl.go), redis.go, access.go, audit.go, ingest.go
// quotas.go and limits.go hold the sections, encryption.go that of keys with what is encrypted,
// streamschema.go what values match, registries.go those of schema registries, and
// apikeys.go, introspection.go, certificates.go, dpop.go, webhook.go, forwarded.go and revocation.go those of auth;
// duration.go, size.go, rate.go, replay.go and secret.go the types of values; schema.go makes
// a tree of the tags. load.go applies the layers (document.go, environment.go,
// flags.go), keys.go finds unknown keys and sets defaults, decode.go converts
// values (syntax.go those of types with a syntax of their own), rules.go, consistency.go,
// admins.go and verifiers.go check them, files.go reads the files that fields name. fault.go
// has the errors, locate.go finds their lines, and reference.go prints the documentation of
// all fields.
package config
