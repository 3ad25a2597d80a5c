package config

import (
	"fmt"
	"strings"

	"github.com/knadh/koanf/providers/posflag"
	"github.com/knadh/koanf/v2"
	"github.com/spf13/pflag"
)

// flags are the fields that have a flag of their own.
var flags = []struct{ name, path string }{
	{"listen", "listen"},
	{"admin-listen", "admin/listen"},
	{"kafka-brokers", "kafka/brokers"},
	{"log-level", "log/level"},
	{"log-format", "log/format"},
}

const setFlag = "set"

// Flags adds the flags that override fields to a command's flag set, which is then
// passed to Load after parsing.
func Flags(set *pflag.FlagSet) {
	for _, flag := range flags {
		n := find(flag.path)
		usage := n.doc + " (" + flag.path + ")"
		if n.shape == texts {
			usage = n.doc + ", separated by commas (" + flag.path + ")"
		}
		set.String(flag.name, "", usage)
	}
	set.StringArray(setFlag, nil, "override any field by its `path=value`, such as limits/ping_every=30s; may be repeated")
}

// loadFlags overrides the fields in k by the flags.
func loadFlags(k *koanf.Koanf, set *pflag.FlagSet, f *faults) error {
	provider := posflag.ProviderWithFlag(set, "/", k, func(flag *pflag.Flag) (string, any) {
		path := flagPath(flag.Name)
		if path == "" || !flag.Changed {
			return "", nil
		}
		f.sources[path] = "--" + flag.Name
		value, err := fromOutside(find(path), flag.Value.String())
		if err != nil {
			f.add(path, "%s", err)
			return "", nil
		}
		return path, value
	})
	if err := k.Load(provider, nil); err != nil {
		return err
	}
	if set.Lookup(setFlag) == nil {
		return nil
	}
	assignments, err := set.GetStringArray(setFlag)
	if err != nil {
		return err
	}
	for _, assignment := range assignments {
		path, text, ok := strings.Cut(assignment, "=")
		if !ok {
			f.list = append(f.list, Fault{Source: "--set", Message: "expected path=value"})
			continue
		}
		n, problem := settable(path)
		if problem != "" {
			slashes := strings.ReplaceAll(path, ".", "/")
			if _, other := settable(slashes); other == "" {
				problem += fmt.Sprintf(", did you mean %q?", slashes)
			}
			f.list = append(f.list, Fault{Path: path, Source: "--set", Message: problem})
			continue
		}
		f.sources[path] = "--set"
		value, err := fromOutside(n, text)
		if err != nil {
			f.add(path, "%s", err)
			continue
		}
		if err := k.Set(path, value); err != nil {
			return err
		}
	}
	return nil
}

func flagPath(name string) string {
	for _, flag := range flags {
		if flag.name == name {
			return flag.path
		}
	}
	return ""
}
