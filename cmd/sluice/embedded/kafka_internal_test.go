package embedded

import (
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
)

// TestKafkaLogIsBounded: a full disk, which is a warning for each batch, does not fill the
// terminal as well, and does not hide other warnings.
func TestKafkaLogIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var text strings.Builder
		log := newKafkaLog(slog.New(slog.NewTextHandler(&text, nil)))
		lines := func() []string {
			defer text.Reset()
			return strings.Split(strings.TrimSpace(text.String()), "\n")
		}
		for range 1000 {
			log.Logf(kfake.LogLevelWarn, "persist batch %s: no space", "orders-0")
			log.Logf(kfake.LogLevelError, "persist to disk: %v", "no space")
			log.Logf(kfake.LogLevelInfo, "nothing for people")
		}
		if got := lines(); len(got) != 2 || !strings.Contains(got[0], "level=WARN msg=\"persist batch orders-0: no space\"") || !strings.Contains(got[1], "level=ERROR") {
			t.Errorf("got %q", got)
		}
		time.Sleep(kafkaLogEvery)
		log.Logf(kfake.LogLevelWarn, "persist batch %s: no space", "orders-1")
		if got := lines(); len(got) != 1 || !strings.Contains(got[0], "orders-1") || !strings.Contains(got[0], "more_since=999") {
			t.Errorf("after a while: got %q", got)
		}
	})
}
