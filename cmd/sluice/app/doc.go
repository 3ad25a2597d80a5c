// Package app wires the parts of Sluice together and runs them.
//
// New makes everything that a configuration asks for, checks it, connects to
// nothing and starts no goroutine. Run starts the parts in order, each of which
// may rely on those before it, and waits. When its context ends, or a part
// fails, it stops them in reverse order: first the listener for clients, which
// drains its sessions, then what the sessions lived on. Stopping is bounded by
// drain/timeout and a few seconds, so that a part that hangs cannot keep the
// process.
//
// Every part runs in a goroutine that Run started and waits for.
//
// Tour: app.go is App; lifecycle.go starts and stops; access.go, kafka.go (with
// sasl.go), redis.go and streams.go turn sections of the configuration into
// parts; topics.go makes topics that are missing; server.go is the hub and the
// listeners upon it.
package app
