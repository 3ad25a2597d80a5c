// Package web is what a server shows in a browser: the console, a page that shows
// its streams live and publishes to them, and the documents.
//
// The console is plain HTML, CSS and JavaScript modules in the folder console,
// embedded as they stand: there is no build step, nothing is loaded from
// elsewhere, and nothing in the page is inline, so that its Content Security
// Policy allows only its own origin. It uses the public protocol and no more:
// GET /v1/streams, Server-Sent Events, and POST of records.
//
// The documents are the Markdown files of the folder docs, which is also where
// people read them in the repository. Each is served as it stands, and as a page
// that is rendered once, at the start.
//
// Scripts, styles and pictures are served below a path that holds a hash of all
// of them, and may be kept for ever; pages are revalidated each time. All paths
// are relative, so that all of it also works below a prefix that a proxy takes
// off.
//
// The files: site.go serves; console.go loads the console and docs.go the
// documents, which markdown.go renders and page.html frames. In the folder
// console, index.html and style.css are the console's page, main.js connects its
// parts, feed.js is the connection, list.js, chart.js and json.js show events,
// publish.js is the form; docs.css and docs.js belong to the documents, theme.js
// to both.
package web

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"sync"
	"time"
)

// contentTypes are set by name, as a machine's own table may say otherwise.
var contentTypes = map[string]string{
	".html": "text/html; charset=utf-8",
	".css":  "text/css; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".svg":  "image/svg+xml",
	".md":   "text/markdown; charset=utf-8", // RFC 7763
}

// policy is the pages' Content Security Policy (level 3): their own files, their
// own server, and nothing else.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"

// Values of Cache-Control (RFC 9111, RFC 8246).
const (
	forEver     = "public, max-age=31536000, immutable"
	revalidated = "no-cache"
)

// Handler serves the console at "/", its files below "/console/" and the
// documents below "/docs/". Other paths are not found, other methods than GET and
// HEAD not allowed. It panics where a file is missing from the binary, or a
// document cannot be rendered.
func Handler() http.Handler {
	s, err := load()
	if err != nil {
		panic(err)
	}
	return s
}

var load = sync.OnceValues(func() (*site, error) {
	s := &site{files: map[string]file{}}
	assets, err := s.loadConsole()
	if err != nil {
		return nil, err
	}
	return s, s.loadDocuments(assets)
})

// site is all that is served. It does not change once it is loaded.
type site struct {
	files map[string]file // by path, such as "/docs/operating"
}

// file is one that is served as it stands.
type file struct {
	body                       []byte
	contentType, caching, etag string
}

// add makes a file, whose extension says what it is, known under a path.
func (s *site) add(path, extension, caching string, body []byte) {
	sum := sha256.Sum256(body)
	s.files[path] = file{
		body: body, contentType: contentTypes[extension], caching: caching,
		etag: `"` + hex.EncodeToString(sum[:8]) + `"`,
	}
}

// addPage adds a file whose path stays when it changes.
func (s *site) addPage(path, extension string, body []byte) {
	s.add(path, extension, revalidated, body)
}

// ServeHTTP implements http.Handler.
func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f, ok := s.files[r.URL.Path]
	isFolder := r.URL.Path+"/" == docsPath
	h := w.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	switch {
	case !ok && !isFolder:
		http.NotFound(w, r)
		return
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		h.Set("Allow", "GET, HEAD")
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		return
	case isFolder:
		// Relative, as are all links here, and without the query, which can hold
		// a token.
		h.Set("Location", docsPath[1:])
		w.WriteHeader(http.StatusTemporaryRedirect)
		return
	}
	h.Set("Content-Type", f.contentType)
	h.Set("Content-Security-Policy", policy)
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cache-Control", f.caching)
	h.Set("ETag", f.etag)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(f.body))
}
