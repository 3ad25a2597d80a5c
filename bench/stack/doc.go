// Package stack starts real servers for tests and benchmarks: Apache Kafka brokers
// (KRaft) and Redis, on free loopback ports, in a directory of their own.
//
// Start returns once every server answers. A Stack ends exactly the processes that
// it started, by process group id: when Close is called, when the context given to
// Start ends, and, if the starting process itself dies, by the kernel's parent-death
// signal. Servers can be killed, stopped, continued and restarted individually, at
// the same address and with the same data (Redis keeps no data).
//
// Kafka comes from Maven Central, Pebble from the Go module proxy, and the OpenID
// provider from the npm registry, once, into the user's cache directory, and so do libraries
// of other languages, with which tests are clients as others write them; Redis and the
// other programs come from Debian. If something is missing and cannot be installed, the
// error is a *MissingError, which describes how to get it.
//
// One goroutine per server waits for its process, and one per Stack waits for the
// context; Close waits for all of them.
//
// The files: stack.go is the life cycle of a stack; kafka.go and redis.go set up
// their servers; server.go is a process that can be killed, paused and restarted;
// jars.go, debian.go and libraries.go fetch missing software, and runtimes.go
// other environments of JavaScript, which cache.go keeps; pki.go makes certificates; ports.go
// finds ports; balancer.go is an HAProxy for servers of the caller, pebble.go an ACME
// server, provider.go an OpenID provider, build.go builds the binary under test, and dev.go runs it with demo
// data;
// topic.go and sasl.go are administrative requests to Kafka, and bearer.go configures its
// listener for bearer tokens; missing.go is the error for
// missing software, and prepare.go installs all that the tests need.
package stack
