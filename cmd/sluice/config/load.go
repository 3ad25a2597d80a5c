package config

import (
	"fmt"
	"path/filepath"
	"reflect"

	"github.com/knadh/koanf/providers/file"
	"github.com/knadh/koanf/v2"
	"github.com/spf13/pflag"
)

// Options name the sources of a configuration.
type Options struct {
	// File is the name of a YAML file. Empty for none.
	File string
	// Text is YAML in place of a file; relative file names are relative to the
	// working directory. Empty for none. It excludes File.
	Text string
	// Environ are variables, NAME=value. Nil means the environment of the process;
	// an empty slice means no variables.
	Environ []string
	// Flags is a parsed set to which Flags added its flags. Nil for none.
	Flags *pflag.FlagSet
}

// Load reads, completes and validates a configuration. An error in the configuration
// is a Faults with everything that is wrong.
func Load(options Options) (*Config, error) {
	f := &faults{sources: map[string]string{}}
	// Stream and topic names contain dots, so a dot cannot separate levels.
	k := koanf.New("/")
	dir, err := filepath.Abs(filepath.Dir(options.File))
	if err != nil {
		return nil, fmt.Errorf("load configuration: %w", err)
	}
	if err := loadDocument(k, options); err != nil {
		// Without the file nothing else can be checked.
		f.unread(options.File, err)
		return nil, f.err()
	}
	if err := loadEnvironment(k, options.Environ, f); err != nil {
		return nil, fmt.Errorf("load environment: %w", err)
	}
	if options.Flags != nil {
		if err := loadFlags(k, options.Flags, f); err != nil {
			return nil, fmt.Errorf("load flags: %w", err)
		}
	}

	c := &Config{}
	(&completion{faults: f, dir: dir}).complete(k.Raw(), schema(), "", reflect.ValueOf(c).Elem())
	settle(c)
	checkRules(c, f)
	checkConsistency(c, f)
	readFiles(c, f)
	if err := f.err(); err != nil {
		if options.File != "" {
			locate(f.list, options.File)
		}
		return nil, err
	}
	return c, nil
}

// loadDocument reads the file, or the text in its place.
func loadDocument(k *koanf.Koanf, options Options) error {
	switch {
	case options.File != "":
		return k.Load(file.Provider(options.File), document{})
	case options.Text != "":
		return k.Load(given(options.Text), document{})
	}
	return nil
}

// settle sets the defaults that depend on other fields.
func settle(c *Config) {
	if t := c.TLS; t != nil && t.ClientCAFile != "" && t.ClientAuth == "" {
		t.ClientAuth = "required"
	}
	for name, stream := range c.Streams {
		if stream.LogBytes == 0 {
			stream.LogBytes = c.Limits.StreamLog
		}
		if stream.LogBytes == 0 {
			stream.LogBytes = c.Limits.LogMemory
		}
		if stream.Cluster == "" && len(c.Kafka.All()) == 1 {
			for only := range c.Kafka.All() {
				stream.Cluster = only
			}
		}
		c.Streams[name] = stream
	}
}
