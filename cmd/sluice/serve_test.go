package main

import (
	"bufio"
	"bytes"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"sluice/cmd/sluice/config"
)

func TestDurationsInLogsAreDurations(t *testing.T) {
	t.Parallel()
	for format, want := range map[string]string{"json": `"after":"1m0.5s"`, "text": "after=1m0.5s"} {
		var b bytes.Buffer
		newLogger(&b, config.Log{Level: "info", Format: format}).Info("ready", "after", time.Minute+500*time.Millisecond)
		if !strings.Contains(b.String(), want) {
			t.Errorf("%s: got %s, want %s", format, b.String(), want)
		}
	}
}

// TestHangupsWhileTheServerEnds: a configuration that is loaded again and again does not end a
// server that is stopped before it has ended by itself.
func TestHangupsWhileTheServerEnds(t *testing.T) {
	t.Parallel()
	cmd := exec.CommandContext(t.Context(), "sluice", "serve", "--set", "listen=127.0.0.1:0", "--set", "admin/listen=127.0.0.1:0",
		"--set", "kafka/brokers=127.0.0.1:1", "--set", `grants=[{anonymous: true, subscribe: ["*"]}]`, "--set", `streams={a: {topic: a}}`)
	log, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	reloaded := false
	for lines := bufio.NewScanner(log); lines.Scan(); {
		text.WriteString(lines.Text() + "\n")
		_ = cmd.Process.Signal(syscall.SIGHUP)
		if !reloaded && strings.Contains(lines.Text(), "configuration reloaded") {
			reloaded = true
			_ = cmd.Process.Signal(syscall.SIGTERM)
		}
	}
	// Nothing more is written: it ends.
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for again := time.NewTicker(time.Millisecond); ; {
		select {
		case <-again.C:
			_ = cmd.Process.Signal(syscall.SIGHUP)
		case err := <-ended:
			if err != nil || !reloaded {
				t.Errorf("%v\n%s", err, text.String())
			}
			return
		}
	}
}
