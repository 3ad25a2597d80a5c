package main

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/evanw/esbuild/pkg/api"
)

// clientFiles returns the clients as modules of one file, and their sizes in gzip.
func clientFiles(modules string) (files map[string][]byte, sizes map[string]int, err error) {
	files, sizes = map[string][]byte{}, map[string]int{}
	dir, err := root()
	if err != nil {
		return nil, nil, err
	}
	if files["sluice.js"], err = os.ReadFile(filepath.Join(dir, "web", "client", "dist", "sluice.js")); err != nil {
		return nil, nil, fmt.Errorf("read the client: %w", err)
	}
	result := api.Build(api.BuildOptions{
		EntryPoints: []string{filepath.Join(modules, "centrifuge", "build", "index.mjs")},
		Bundle:      true, Format: api.FormatESModule, Target: api.ES2022, Platform: api.PlatformBrowser,
		MinifyWhitespace: true, MinifyIdentifiers: true, MinifySyntax: true,
	})
	if len(result.Errors) > 0 {
		return nil, nil, fmt.Errorf("bundle centrifuge: %s", result.Errors[0].Text)
	}
	files["centrifuge.js"] = result.OutputFiles[0].Contents
	for name, text := range files {
		var b bytes.Buffer
		z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
		if err != nil {
			return nil, nil, fmt.Errorf("compress %s: %w", name, err)
		}
		_, _ = z.Write(text)
		_ = z.Close()
		sizes[name] = b.Len()
	}
	return files, sizes, nil
}

// root returns the folder of this source tree, which the command runs in.
func root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find the source tree: %w", err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "web", "client", "dist")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("run it in the source tree: web/client/dist is not above the working directory")
		}
		dir = parent
	}
}
