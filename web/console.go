package web

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"path"
	"strings"
)

//go:embed console
var console embed.FS

// indexName is the console's page. The marks are the placeholders in it: for the path of its
// files, for the style sheets of the views, and for their templates.
const (
	indexName  = "index.html"
	assetsMark = "{{assets}}"
	stylesMark = "{{styles}}"
	viewsMark  = "{{views}}"
)

// A view is a folder of the console with these files, beside its modules.
const (
	viewTemplate = "view.html"
	viewStyle    = "view.css"
)

// loadConsole returns the console, at "/", and its files below "/console/HASH", and
// that path, without the leading slash.
func loadConsole() (all files, assets string, err error) {
	all = files{}
	content := map[string][]byte{}
	var styles, views bytes.Buffer
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
		name = strings.TrimPrefix(name, "console/")
		fmt.Fprintf(sum, "%s %d\n%s", name, len(b), b)
		switch folder, file := path.Split(name); {
		case folder != "" && file == viewTemplate:
			fmt.Fprintf(&views, "\n<template id=\"template-%s\">\n%s</template>\n", path.Clean(folder), b)
			return nil
		case folder != "" && file == viewStyle:
			fmt.Fprintf(&styles, "<link rel=\"stylesheet\" href=\"%s/%s\">\n", assetsMark, name)
		}
		content[name] = b
		return nil
	})
	if err != nil {
		return nil, "", fmt.Errorf("load console: %w", err)
	}
	assets = "console/" + hex.EncodeToString(sum.Sum(nil)[:8])
	page := strings.NewReplacer(viewsMark, views.String(), stylesMark, strings.ReplaceAll(styles.String(), assetsMark, assets), assetsMark, assets).
		Replace(string(content[indexName]))
	all.addPage("/", ".html", []byte(page))
	delete(content, indexName)
	for name, b := range content {
		all.add("/"+assets+"/"+name, path.Ext(name), forEver, b)
	}
	return all, assets, nil
}
