// Package web serves the console, a page that shows a server's streams live and
// publishes to them, the documents, and the JavaScript client.
//
// The console is plain HTML, CSS and JavaScript modules in the folder console,
// embedded unchanged: there is no build step, nothing is loaded from other servers,
// and nothing in the page is inline, so that its Content Security Policy allows only
// its own origin. It uses only the public protocol, with the rights of the principal whose
// token it is given, which it keeps in memory.
//
// The documents are the Markdown files of the folder docs, where they can also be
// read in the repository. Each is served unchanged, and as a page. All of them are
// rendered once, when the first is asked for: a server that nobody reads documents on
// has no memory for them.
//
// Scripts, styles and pictures are served below a path that contains a hash of all
// of them, and may be cached forever; pages are revalidated each time. All paths are
// relative, so that everything also works below a prefix that a proxy strips.
//
// The JavaScript client of package client is served to pages of all origins, as it is
// no secret, at /sluice.js, and the Python client beside it.
//
// The examples are pages for people to copy, each one file, in the folder examples, with
// programs for devices beside them. Their script and style are inline: the policy of each
// names their hashes, and nothing else is allowed there either.
//
// The files: site.go serves; console.go assembles the console, script.go loads the clients,
// examples.go the examples and docs.go the documents, which markdown.go renders into
// page.html, and of which search.go makes what a page searches in.
//
// In the folder console, index.html and style.css are the frame, main.js shows one of the
// views in it, and each view has a folder: its templates (view.html), which the page
// contains, its styles, and its modules, of which view.js is the first and lists the others.
// live shows streams, publish writes to them, and connect has the token; for operators,
// sessions shows who is connected and the named cursors, and health what the server tells of
// itself; withheld is shown in their place to others. docs is what the documents have of
// their own: their search, and examples that run against the server that they come from;
// shared is what several views use.
package web

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"
	"sync"
	"time"
)

// contentTypes are set by name, because the system's table may differ.
var contentTypes = map[string]string{
	".html": "text/html; charset=utf-8",
	".css":  "text/css; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".svg":  "image/svg+xml",
	".png":  "image/png",
	".json": "application/json",
	".md":   "text/markdown; charset=utf-8", // RFC 7763
	".ts":   "application/typescript; charset=utf-8",
	".tgz":  "application/gzip", // RFC 6713
	".py":   "text/x-python; charset=utf-8",
	".txt":  "text/plain; charset=utf-8",
}

// policy is the pages' Content Security Policy (level 3): only files from their own
// origin and connections to their own server.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"

// Values of Cache-Control (RFC 9111, RFC 8246).
const (
	forEver     = "public, max-age=31536000, immutable"
	revalidated = "no-cache"
)

// Handler serves the console at "/", its files below "/console/", the documents below
// "/docs/", the examples below "/examples/", the JavaScript client at "/sluice.js" and the
// Python client at "/sluice.py". Other paths are not found, and methods other than GET and
// HEAD are not allowed. It panics if a file is missing from the binary.
func Handler() http.Handler {
	s, err := load()
	if err != nil {
		panic(err)
	}
	return s
}

var load = sync.OnceValues(func() (*site, error) {
	console, assets, err := loadConsole()
	if err != nil {
		return nil, err
	}
	return &site{
		console:   console,
		client:    sync.OnceValues(loadClient),
		documents: sync.OnceValues(func() (files, error) { return loadDocuments(assets) }),
		examples:  sync.OnceValues(loadExamples),
	}, nil
})

// site is all that is served. It does not change once it is loaded.
type site struct {
	console   files
	client    func() (files, error) // those whose paths begin with clientPath
	documents func() (files, error) // those below docsPath
	examples  func() (files, error) // those below examplesPath
}

// files are found by path, such as "/docs/operating".
type files map[string]file

// file is a file that is served unchanged.
type file struct {
	body                       []byte
	contentType, caching, etag string

	zipped []byte // the body in gzip, if it is also sent so
	public bool   // pages of all origins may load it
	types  string // where its types are, if it is a module
	fixed  string // where this content stays, if the path stays and the content does not
	policy string // its Content Security Policy, if it has its own
}

// add adds a file at a path. The extension determines its content type.
func (all files) add(path, extension, caching string, body []byte) {
	sum := sha256.Sum256(body)
	all[path] = file{
		body: body, contentType: contentTypes[extension], caching: caching,
		etag: `"` + hex.EncodeToString(sum[:8]) + `"`,
	}
}

// addPage adds a file whose path stays the same when its content changes.
func (all files) addPage(path, extension string, body []byte) {
	all.add(path, extension, revalidated, body)
}

// find returns the file at a path.
func (s *site) find(path string) (f file, ok bool, err error) {
	all := s.console
	switch {
	case strings.HasPrefix(path, docsPath):
		all, err = s.documents()
	case strings.HasPrefix(path, clientPath):
		all, err = s.client()
	case strings.HasPrefix(path, examplesPath):
		all, err = s.examples()
	}
	if err != nil {
		return file{}, false, err
	}
	f, ok = all[path]
	return f, ok, nil
}

// ServeHTTP implements http.Handler.
func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f, ok, err := s.find(r.URL.Path)
	isFolder := r.URL.Path+"/" == docsPath || r.URL.Path+"/" == examplesPath
	h := w.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", policy)
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	switch {
	case err != nil:
		http.Error(w, "the file is unavailable: "+err.Error(), http.StatusInternalServerError)
		return
	case !ok && !isFolder:
		http.NotFound(w, r)
		return
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		h.Set("Allow", "GET, HEAD")
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		return
	case isFolder:
		// The location is relative, as all links here are, and omits the query,
		// which can contain a token.
		h.Set("Location", r.URL.Path[1:]+"/")
		w.WriteHeader(http.StatusTemporaryRedirect)
		return
	}
	h.Set("Content-Type", f.contentType)
	h.Set("Cache-Control", f.caching)
	h.Set("ETag", f.etag)
	if f.policy != "" {
		h.Set("Content-Security-Policy", f.policy)
	}
	body := f.body
	if f.public {
		h.Set("Cross-Origin-Resource-Policy", "cross-origin")
		if h.Get("Access-Control-Allow-Origin") == "" {
			h.Set("Access-Control-Allow-Origin", "*")
		}
	}
	if f.fixed != "" {
		h.Set("Content-Location", f.fixed)
	}
	if f.types != "" {
		h.Set("X-TypeScript-Types", f.types)
	}
	if f.zipped != nil {
		h.Add("Vary", "Accept-Encoding")
		if takesGzip(r) {
			// Another representation has another tag (RFC 9110, section 8.8.3.3).
			h.Set("Content-Encoding", "gzip")
			h.Set("ETag", strings.TrimSuffix(f.etag, `"`)+`-gzip"`)
			body = f.zipped
		}
	}
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
}
