package embedded_test

import (
	"log/slog"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"sluice/cmd/sluice/embedded"
	"sluice/hub/cursors"
	"sluice/hub/record"
	"sluice/hub/redisstore"
)

// TestScriptsOutlastAKill: what a script has done before a kill is done once, and not again by
// the script, which a process has from the journal of the one before.
func TestScriptsOutlastAKill(t *testing.T) {
	t.Parallel()
	config := configured(t.TempDir())
	config.Rates = map[string]float64{}
	script := redis.NewScript(`return redis.call('INCR', KEYS[1])`)
	for n := range 4 {
		e, err := embedded.Start(config)
		if err != nil {
			t.Fatal(err)
		}
		keys := redis.NewClient(&redis.Options{Addr: e.RedisAddr})
		if got, err := keys.Get(t.Context(), "times").Int(); got != n || err != nil && n > 0 {
			t.Errorf("after %d kills: got %d, %v", n, got, err)
		}
		for range 4 { // more than the journal keeps files
			if err := embedded.Save(e); err != nil {
				t.Error(err)
			}
		}
		if err := script.Run(t.Context(), keys, []string{"times"}).Err(); err != nil {
			t.Error(err)
		}
		killed := t.TempDir()
		copyFiles(t, config.DataDir, killed)
		_ = keys.Close()
		e.Close()
		config.DataDir = killed
	}
}

// TestAcksOutlastAKill: what was acked under a name that was taken a moment before is there.
func TestAcksOutlastAKill(t *testing.T) {
	t.Parallel()
	for _, saved := range []bool{false, true} {
		config := configured(t.TempDir())
		config.Rates = map[string]float64{}
		name := cursors.Key{Principal: "user:a:b", Stream: "orders", Name: "n"}
		at := record.Position{Topic: record.TopicID{1}, Offsets: []record.PartitionOffset{{Partition: 0, Offset: 7, Epoch: 1}}}
		for n := range 2 {
			e, err := embedded.Start(config)
			if err != nil {
				t.Fatal(err)
			}
			keys := redis.NewClient(&redis.Options{Addr: e.RedisAddr})
			store, err := redisstore.New(redisstore.Config{Redis: redis.UniversalOptions{Addrs: []string{e.RedisAddr}}, Prefix: "sluice:", TTL: time.Hour, Timeout: time.Minute, Logger: slog.New(slog.DiscardHandler)})
			if err != nil {
				t.Fatal(err)
			}
			if n == 1 {
				if got, err := store.Load(t.Context(), name); err != nil || len(got.Position.Offsets) != 1 || got.Position.Offsets[0].Offset != 7 {
					t.Errorf("saved between %t: got %v, %v", saved, got, err)
				}
			} else {
				taken, err := store.Take(t.Context(), name)
				if taken.Fence == 0 {
					t.Fatal(err)
				}
				if saved {
					if err := embedded.Save(e); err != nil {
						t.Error(err)
					}
				}
				done := store.Commit(t.Context(), []cursors.Commit{{Key: name, Ack: cursors.Ack{Position: at, At: time.Now()}, Fence: taken.Fence}})
				if done[0].Err != nil {
					t.Error(done[0].Err)
				}
			}
			killed := t.TempDir()
			copyFiles(t, config.DataDir, killed)
			_ = keys.Close()
			e.Close()
			config.DataDir = killed
		}
	}
}
