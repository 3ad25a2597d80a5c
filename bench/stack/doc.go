// Package stack starts real servers for tests and benchmarks: Apache Kafka
// brokers (KRaft) and Redis, on free loopback ports, in a folder of their own.
//
// Start returns once every server answers. A Stack ends exactly the processes
// that it started, by process group id: when Close is called, when the context
// given to Start ends, and, where the starting process itself dies, by the
// kernel's parent-death signal. Servers can be killed, stopped, continued and
// restarted one by one, at the same address and with the same data.
//
// Kafka comes from Maven Central, once, into the user's cache folder; Redis and
// the other programs come from Debian. Where something is missing and cannot be
// installed, the error is a *MissingError, which says how to get it.
//
// One goroutine a server waits for its process, and one a Stack waits for the
// context; Close waits for all of them.
//
// The files: stack.go is the life of the whole; kafka.go and redis.go know how
// their servers are set up; server.go is one process that can be killed,
// paused and restarted; jars.go and debian.go fetch what is not there; pki.go
// makes certificates; ports.go finds ports; balancer.go is
// an HAProxy before servers of the caller's own, and build.go makes the binary
// under test; topic.go and sasl.go are what tests
// ask of a Kafka as its administrator.
package stack
