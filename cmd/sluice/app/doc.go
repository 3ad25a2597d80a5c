// Package app connects the parts of Sluice and runs them.
//
// New makes everything that a configuration needs and validates it. It connects to
// nothing and starts no goroutine. Run starts the parts in order, each of which may
// rely on those before it, and waits. When its context ends, or a part fails, Run
// stops the parts in reverse order: first the listener for clients, which drains its
// sessions, then the parts that the sessions depend on. Stopping is bounded by
// drain/timeout and a few seconds, so that a part that hangs cannot keep the process
// running.
//
// Every part runs in a goroutine that Run started and waits for.
//
// Tour: app.go is App, development.go what it has for development; lifecycle.go starts
// and stops the parts; access.go (with verifiers.go, revocation.go and kafkaacls.go),
// certificates.go, kafka.go (with sasl.go and password.go), redis.go, audit.go,
// encryption.go, ingest.go (with ingestrules.go and schemas.go), registries.go (with
// registrymetrics.go and registrytls.go), cloudevents.go and streams.go turn sections of
// the configuration into parts; reload.go puts another configuration in force; topics.go
// creates missing topics; presence.go checks that clusters answer and have the topics;
// server.go is the hub and the listeners.
package app
