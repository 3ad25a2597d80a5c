package embedded_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"sluice/cmd/sluice/embedded"
)

// TestKeysOutlastAKill: what Redis has answered is there when a process begins with the files of
// one that was killed, whether a snapshot has it or not, and whatever was cut off.
func TestKeysOutlastAKill(t *testing.T) {
	t.Parallel()
	config := configured(t.TempDir())
	config.Rates = map[string]float64{}
	script := redis.NewScript(`redis.call('SET', KEYS[1], ARGV[1], 'PX', 600000) return redis.call('INCR', 'times')`)
	for _, key := range []string{"first", "second", "third"} {
		e, err := embedded.Start(config)
		if err != nil {
			t.Fatal(err)
		}
		keys := redis.NewClient(&redis.Options{Addr: e.RedisAddr})
		if err := script.Run(t.Context(), keys, []string{key}, "\xff\x00"+key).Err(); err != nil {
			t.Error(err)
		}
		if err := keys.SAdd(t.Context(), "set", key).Err(); err != nil {
			t.Error(err)
		}
		if key == "second" {
			// A snapshot in between has them all, and the script is known.
			if err := embedded.Save(e); err != nil {
				t.Error(err)
			}
			if err := script.Run(t.Context(), keys, []string{"later"}, "x").Err(); err != nil {
				t.Error(err)
			}
		}
		killed := t.TempDir()
		copyFiles(t, config.DataDir, killed)
		_ = keys.Close()
		e.Close()
		if left, _ := filepath.Glob(filepath.Join(config.DataDir, "*.journal")); len(left) > 0 {
			t.Errorf("after an orderly end there are %v", left)
		}
		config.DataDir = killed
	}
	e, err := embedded.Start(config)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	keys := redis.NewClient(&redis.Options{Addr: e.RedisAddr})
	defer func() { _ = keys.Close() }()
	for key, want := range map[string]string{"first": "\xff\x00first", "second": "\xff\x00second", "third": "\xff\x00third", "later": "x"} {
		if got, err := keys.Get(t.Context(), key).Result(); err != nil || got != want {
			t.Errorf("%s: got %q, %v", key, got, err)
		}
		if left := keys.TTL(t.Context(), key).Val(); left <= 0 || left > 10*time.Minute {
			t.Errorf("%s has %v left", key, left)
		}
	}
	if n := keys.SCard(t.Context(), "set").Val(); n != 3 {
		t.Errorf("the set has %d members", n)
	}
}

// copyFiles copies the files of Redis, the last ones without their last bytes, as a kill in the
// midst of a write leaves them.
func copyFiles(t *testing.T, from, to string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(from, "redis.*"))
	if err != nil || len(files) < 2 {
		t.Fatalf("there are %v, %v", files, err)
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if filepath.Ext(file) == ".journal" {
			b = append(b, 0x40, 0x0c) // of 64 bytes
		}
		if err := os.WriteFile(filepath.Join(to, filepath.Base(file)), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
