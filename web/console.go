// Package web is the console: a page that shows a server's streams live and
// publishes to them.
//
// The page is plain HTML, CSS and JavaScript modules in the folder console,
// embedded as they stand: there is no build step, nothing is loaded from
// elsewhere, and nothing in the page is inline, so that its Content Security
// Policy allows only its own origin. It uses the public protocol and no more:
// GET /v1/streams, Server-Sent Events, and POST of records.
//
// Files are served below a path that holds a hash of all of them, and may be
// kept for ever; the page itself is revalidated each time. All paths are
// relative, so that the console also works below a prefix that a proxy takes
// off.
//
// The files: console.go serves; console/index.html and style.css are the page,
// main.js connects its parts, feed.js is the connection, list.js, chart.js and
// json.js show events, publish.js is the form.
package web

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"time"
)

//go:embed console
var console embed.FS

// indexName is the page; assetsMark in it stands for where its files are.
const (
	indexName  = "index.html"
	assetsMark = "{{assets}}"
)

// contentTypes are set by name, as a machine's own table may say otherwise.
var contentTypes = map[string]string{
	".html": "text/html; charset=utf-8",
	".css":  "text/css; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".svg":  "image/svg+xml",
}

// policy is the page's Content Security Policy (level 3): its own files, its
// own server, and nothing else.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"

// Handler serves the console at "/" and its files below "/console/". Other
// paths are not found, other methods than GET and HEAD not allowed. It panics
// where a file of the page is missing from the binary.
func Handler() http.Handler {
	files, err := load()
	if err != nil {
		panic(err)
	}
	return files
}

// files are the console's, ready to be served.
type files struct {
	index  []byte
	byPath map[string][]byte // "/console/HASH/main.js"
	hash   string
}

func load() (*files, error) {
	content := map[string][]byte{}
	sum := sha256.New()
	// In lexical order, so that the same files have the same hash.
	err := fs.WalkDir(console, "console", func(name string, entry fs.DirEntry, err error) error {
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
		return nil, fmt.Errorf("load console: %w", err)
	}
	f := &files{byPath: map[string][]byte{}, hash: hex.EncodeToString(sum.Sum(nil)[:8])}
	f.index = bytes.ReplaceAll(content[indexName], []byte(assetsMark), []byte("console/"+f.hash))
	delete(content, indexName)
	for name, b := range content {
		f.byPath["/console/"+f.hash+"/"+name] = b
	}
	return f, nil
}

// ServeHTTP implements http.Handler.
func (f *files) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, ok := f.byPath[r.URL.Path]
	name, caching := r.URL.Path, "public, max-age=31536000, immutable"
	if r.URL.Path == "/" {
		body, ok, name, caching = f.index, true, indexName, "no-cache"
	}
	h := w.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	switch {
	case !ok:
		http.NotFound(w, r)
		return
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		h.Set("Allow", "GET, HEAD")
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		return
	}
	h.Set("Content-Type", contentTypes[path.Ext(name)])
	h.Set("Content-Security-Policy", policy)
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cache-Control", caching)
	h.Set("ETag", `"`+f.hash+`"`)
	http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(body))
}
