package web

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"path"
)

//go:embed console
var console embed.FS

// indexName is the console's page; assetsMark is the placeholder in it for the path
// of its files.
const (
	indexName  = "index.html"
	assetsMark = "{{assets}}"
)

// loadConsole returns the console, at "/", and its files below "/console/HASH", and
// that path, without the leading slash.
func loadConsole() (all files, assets string, err error) {
	all = files{}
	content := map[string][]byte{}
	sum := sha256.New()
	// In lexical order, so that the same files have the same hash.
	err = fs.WalkDir(console, "console", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		b, err := console.ReadFile(name)
		if err != nil {
			return err
		}
		if contentTypes[path.Ext(name)] == "" {
			return fmt.Errorf("%s has no content type", name)
		}
		content[path.Base(name)] = b
		fmt.Fprintf(sum, "%s %d\n%s", name, len(b), b)
		return nil
	})
	if err != nil {
		return nil, "", fmt.Errorf("load console: %w", err)
	}
	assets = "console/" + hex.EncodeToString(sum.Sum(nil)[:8])
	all.addPage("/", ".html", bytes.ReplaceAll(content[indexName], []byte(assetsMark), []byte(assets)))
	delete(content, indexName)
	for name, b := range content {
		all.add("/"+assets+"/"+name, path.Ext(name), forEver, b)
	}
	return all, assets, nil
}
