// Package rediscall calls Redis for the packages that keep credentials in it.
//
// A call is tried once, within Config.Timeout. After several failures in a row calls
// fail at once, and one call per second is let through as a probe, until Redis answers
// again (circuit breaker). A refusal by Redis fails a call, but is no outage, and neither
// is a caller that gives up.
//
// New starts no goroutine. Close ends those of go-redis, and its connections.
//
// # Files
//
// A file uses those listed after it.
//
//	call.go    Client, Call: the circuit breaker
//	config.go  Config: its checks, and the options of go-redis
package rediscall
