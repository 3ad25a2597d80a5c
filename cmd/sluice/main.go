// Sluice brings Kafka to browsers, phones and devices: it reads topics once
// and fans the records out over WebSocket and SSE.
//
// Exit codes: 0 when all went well, which includes an orderly end after
// SIGTERM; 1 when something failed while it ran; 2 when it was called or
// configured wrongly, which trying again will not cure.
//
// Tour: root.go puts the commands together and decides on the exit code; each
// command has a file of its own (serve.go, dev.go, check.go, token.go,
// version.go). Package config reads the configuration, package app wires the
// parts and runs them, package embedded is the Kafka and Redis of dev.
package main

import "os"

func main() {
	os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
