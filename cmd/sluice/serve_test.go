package main

import (
	"bytes"
	"strings"
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
