package config_test

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"

	"sluice/cmd/sluice/config"
)

var update = flag.Bool("update", false, "write the golden files anew")

func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs; got:\n%s", file, got)
	}
}

// load writes the files to a new directory and loads its sluice.yaml.
func load(t *testing.T, files map[string]string, environ []string, args ...string) (*config.Config, string, error) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	set := pflag.NewFlagSet("test", pflag.ContinueOnError)
	config.Flags(set)
	if err := set.Parse(args); err != nil {
		t.Fatal(err)
	}
	options := config.Options{File: filepath.Join(dir, "sluice.yaml"), Environ: environ, Flags: set}
	if environ == nil {
		options.Environ = []string{}
	}
	c, err := config.Load(options)
	return c, dir, err
}

const small = `
kafka: {brokers: ["127.0.0.1:9092"]}
grants: [{anonymous: true, subscribe: ["*"]}]
streams: {market.ticks: {topic: ticks}}
`

func TestFaultsAreReportedAllAtOnce(t *testing.T) {
	t.Parallel()
	_, err := config.Load(config.Options{File: "testdata/ten_faults.yaml", Environ: []string{}})
	var faults config.Faults
	if !errors.As(err, &faults) || len(faults) < 10 {
		t.Fatalf("got %v, want at least ten faults", err)
	}
	dir, _ := filepath.Abs("testdata")
	text := strings.ReplaceAll(err.Error(), dir, "DIR")
	if strings.Contains(text, "hunter2") {
		t.Error("a fault shows a password")
	}
	golden(t, filepath.Join("testdata", "ten_faults.golden"), text+"\n")
}

func TestSmallFileGetsDefaults(t *testing.T) {
	t.Parallel()
	c, _, err := load(t, map[string]string{"sluice.yaml": small}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if c.Listen != "127.0.0.1:8080" || c.Limits.MessageBytes != 64<<10 || c.Cursors.TTL != 30*24*time.Hour {
		t.Errorf("defaults are missing: %+v", c)
	}
	stream := c.Streams["market.ticks"]
	if stream.LogBytes != c.Limits.StreamLog || stream.Cluster != config.DefaultCluster || stream.Linger != time.Minute {
		t.Errorf("stream got %+v", stream)
	}
	if d := c.Kafka.All()[config.DefaultCluster].DialTimeout; d != 5*time.Second {
		t.Errorf("dial timeout is %v", d)
	}
}
