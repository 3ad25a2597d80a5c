// Sluice connects Kafka to browsers, phones and devices: it reads topics once and
// fans the records out over WebSocket and SSE.
//
// Exit codes: 0 on success, including an orderly shutdown after SIGTERM; 1 if
// something failed at run time; 2 for wrong usage or configuration, which a retry
// will not cure; 3 when a command has done its work, but not all of it: tail has missed
// records, publish has lines that are refused, bench has measured errors.
//
// Tour: root.go assembles the commands and decides the exit code; each command has a
// file of its own (serve.go, dev.go with dev_choose.go and dev_welcome.go, tail.go with follow.go,
// publish.go with publishlines.go, bench.go, streams.go, check.go, token.go, key.go, version.go);
// benchtokens.go has the tokens of bench; remote.go and reach.go have what those that connect to a
// server share, complete.go the completion for shells.
// Package config reads the configuration, package app connects the parts and runs them, package
// embedded is the Kafka and Redis of dev. Package show prints what tail reads, package bulk
// publishes lines, package measure is the bench, and package terminal knows terminals. Of a command
// line that is wrong, meant.go says what is meant; advice.go says what to do about errors, and
// plainflags.go lists flags in help.
package main

import "os"

func main() {
	os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
