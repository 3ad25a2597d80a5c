package client_test

import (
	"bytes"
	"compress/gzip"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/evanw/esbuild/pkg/api"
)

var update = flag.Bool("update", false, "write the folder dist anew")

// most is how large the client may be, in bytes of gzip: what a page loads to subscribe
// and publish.
const most = 6 << 10

// internal matches the names of properties that only the client itself uses, which are
// shortened in dist. None of them may be a field of the wire protocol, or of what an
// application gives and gets.
const internal = `^(?:ahead|acks|ask|attach|attempts|base|begin|busy|call|carry|check|closing|client|credential|deaf|delay|drop|due|emit|end|forget|full|hand|handlers|held|ids|iterated|label|last|leave|left|links|more|move|bearer|next|no|onCursor|offsets|onfull|onroom|options|over|page|parameters|part|place|plain|position|probe|pump|queue|quiet|quit|reached|refused|renew|renewable|room|rouse|run|rung|save|saver|say|several|share|sleep|source|sources|stop|subs|take|timed|wakers|yes)$`

// sources are the files of src that have one of dist.
var sources = []string{"sluice.js", "tabs.js", "element.js", "react.js", "vue.js", "svelte.js", "rxjs.js"}

// built returns the files of dist, as esbuild makes them from the sources.
func built(t *testing.T) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	for _, name := range sources {
		options := api.BuildOptions{
			EntryPoints: []string{filepath.Join("src", name)},
			// Frameworks are imported, and so is the client by the element.
			Plugins: []api.Plugin{{Name: "external", Setup: func(build api.PluginBuild) {
				build.OnResolve(api.OnResolveOptions{Filter: `^(react|vue|rxjs)$`}, func(args api.OnResolveArgs) (api.OnResolveResult, error) {
					return api.OnResolveResult{Path: args.Path, External: true}, nil
				})
				build.OnResolve(api.OnResolveOptions{Filter: `^\./sluice\.js$`}, func(args api.OnResolveArgs) (api.OnResolveResult, error) {
					if name == "element.js" {
						return api.OnResolveResult{Path: args.Path, External: true}, nil
					}
					return api.OnResolveResult{}, nil
				})
			}}},
			Bundle: true, Format: api.FormatESModule, Target: api.ES2022, Charset: api.CharsetUTF8,
			MinifyWhitespace: true, MinifyIdentifiers: true, MinifySyntax: true,
		}
		if name == "sluice.js" || name == "tabs.js" {
			options.MangleProps = internal
		}
		result := api.Build(options)
		if len(result.Errors) > 0 {
			t.Fatalf("%s: %v", name, result.Errors)
		}
		all[name] = result.OutputFiles[0].Contents
	}
	return all
}

// TestDistIsOfTheSources: what is served is what esbuild makes of the sources.
func TestDistIsOfTheSources(t *testing.T) {
	t.Parallel()
	files := built(t)
	for name, want := range files {
		path := filepath.Join("dist", name)
		if *update {
			if err := os.WriteFile(path, want, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(path)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is not of the sources (%v): go test ./web/client -run Dist -update", path, err)
		}
	}
	there, err := filepath.Glob("dist/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range there {
		if files[filepath.Base(path)] == nil {
			t.Errorf("%s is not built from anything: remove it", path)
		}
	}
}

// TestDistIsSmall: the client without its companions has at most 6 KB in gzip.
func TestDistIsSmall(t *testing.T) {
	t.Parallel()
	files := built(t)
	names := make([]string, 0, len(files))
	for name := range files {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		var b bytes.Buffer
		z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = z.Write(files[name])
		_ = z.Close()
		t.Logf("%-12s %6d bytes, %5d in gzip", name, len(files[name]), b.Len())
		if name == "sluice.js" && b.Len() > most {
			t.Errorf("%s has %d bytes in gzip, and may have %d", name, b.Len(), most)
		}
	}
}
