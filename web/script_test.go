package web_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"sluice/web"
	"sluice/web/client"
)

// load asks for a path with headers in pairs.
func load(t *testing.T, path string, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, path, http.NoBody)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	web.Handler().ServeHTTP(w, r)
	return w
}

func TestClientIsServed(t *testing.T) {
	t.Parallel()
	w := load(t, "/sluice.js")
	h := w.Header()
	if w.Code != http.StatusOK || h.Get("Content-Type") != "text/javascript; charset=utf-8" || h.Get("Cache-Control") != "public, max-age=300" {
		t.Fatalf("%d %v", w.Code, h)
	}
	if !strings.Contains(w.Body.String(), client.Version()) || strings.Contains(w.Body.String(), "__VERSION__") {
		t.Error("the client does not say its version")
	}
	// Pages of all origins may import what is no secret.
	if h.Get("Access-Control-Allow-Origin") != "*" || h.Get("Cross-Origin-Resource-Policy") != "cross-origin" || h.Get("Access-Control-Allow-Credentials") != "" {
		t.Errorf("other origins: %v", h)
	}
	if console := load(t, "/").Header(); console.Get("Access-Control-Allow-Origin") != "" || console.Get("Cross-Origin-Resource-Policy") != "same-origin" {
		t.Errorf("the console: %v", console)
	}
	if again := load(t, "/sluice.js", "If-None-Match", h.Get("ETag")); again.Code != http.StatusNotModified {
		t.Errorf("the same tag: %d", again.Code)
	}

	base, _ := url.Parse("/sluice.js")
	fixed, err := base.Parse(h.Get("Content-Location"))
	if err != nil {
		t.Fatal(err)
	}
	if same := load(t, fixed.Path); same.Body.String() != w.Body.String() || !strings.Contains(same.Header().Get("Cache-Control"), "immutable") {
		t.Errorf("%s: %d %v", fixed.Path, same.Code, same.Header())
	}
	types, err := base.Parse(h.Get("X-TypeScript-Types"))
	if err != nil {
		t.Fatal(err)
	}
	if declared := load(t, types.Path); declared.Code != http.StatusOK || !strings.Contains(declared.Body.String(), "export function connect") {
		t.Errorf("%s: %d", types.Path, declared.Code)
	}
}

func TestClientIsCompressed(t *testing.T) {
	t.Parallel()
	plain := load(t, "/sluice.js")
	for accepted, want := range map[string]bool{
		"gzip": true, "br, GZIP;q=0.5": true, "gzip; q=1": true, "": false, "br": false, "gzip;q=0": false, "gzip;q=0.0, br": false, "gzip;q=x": false, "x-gzip": false,
	} {
		w := load(t, "/sluice.js", "Accept-Encoding", accepted)
		if got := w.Header().Get("Content-Encoding") == "gzip"; got != want {
			t.Errorf("Accept-Encoding %q: compressed %v", accepted, got)
			continue
		}
		if w.Header().Get("Vary") != "Accept-Encoding" {
			t.Errorf("Vary: %q", w.Header().Get("Vary"))
		}
		if !want {
			continue
		}
		if w.Header().Get("ETag") == plain.Header().Get("ETag") {
			t.Error("both representations have the same tag")
		}
		z, err := gzip.NewReader(w.Body)
		if err != nil {
			t.Fatal(err)
		}
		if body, err := io.ReadAll(z); err != nil || string(body) != plain.Body.String() {
			t.Errorf("it inflates to something else: %v", err)
		}
	}
}

// TestClientPackage: the package for npm has what its manifest names, and the version of
// this server.
func TestClientPackage(t *testing.T) {
	t.Parallel()
	w := load(t, "/sluice.tgz")
	if w.Code != http.StatusOK || w.Header().Get("Content-Type") != "application/gzip" {
		t.Fatalf("%d %v", w.Code, w.Header())
	}
	z, err := gzip.NewReader(bytes.NewReader(w.Body.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	for archive := tar.NewReader(z); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		name, ok := strings.CutPrefix(header.Name, "package/")
		if !ok {
			t.Errorf("%s is outside of package", header.Name)
		}
		if files[name], err = io.ReadAll(archive); err != nil {
			t.Fatal(err)
		}
	}
	var manifest struct {
		Name, Version, License, Type string
		Exports                      map[string]any
	}
	if err := json.Unmarshal(files["package.json"], &manifest); err != nil {
		t.Fatal(err)
	}
	if manifest.Version != client.Version() || manifest.License == "" || manifest.Type != "module" {
		t.Errorf("manifest: %+v", manifest)
	}
	named := 0
	for _, targets := range manifest.Exports {
		switch targets := targets.(type) {
		case string:
			targets = strings.TrimPrefix(targets, "./")
			if files[targets] == nil {
				t.Errorf("%s is exported, and not in the package", targets)
			}
		case map[string]any:
			for _, target := range targets {
				named++
				if files[strings.TrimPrefix(target.(string), "./")] == nil {
					t.Errorf("%v is exported, and not in the package", target)
				}
			}
		}
	}
	// The types that bindings share are imported by theirs.
	if modules := len(files) - len([]string{"package.json", "collect.d.ts"}); named != modules {
		t.Errorf("%d of %d files are exported", named, modules)
	}
}

func TestPythonClientIsServed(t *testing.T) {
	t.Parallel()
	w := load(t, "/sluice.py")
	if w.Code != http.StatusOK || w.Header().Get("Content-Type") != "text/x-python; charset=utf-8" || !strings.Contains(w.Body.String(), "\nclass Client:") {
		t.Fatalf("%d %v", w.Code, w.Header())
	}
	if line := fmt.Sprintf("\n__version__ = %q", client.Version()); !strings.Contains(w.Body.String(), line) {
		t.Errorf("the Python client does not have the line %s", line)
	}
}
