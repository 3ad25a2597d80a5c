package web_test

import (
	"net/http"
	"net/http/httptest"
	"path"
	"regexp"
	"strings"
	"testing"

	"sluice/web"
)

func ask(t *testing.T, method, path, etag string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(method, path, http.NoBody)
	if etag != "" {
		r.Header.Set("If-None-Match", etag)
	}
	w := httptest.NewRecorder()
	web.Handler().ServeHTTP(w, r)
	return w
}

// modules checks that what a module imports is there, and what that imports.
func modules(t *testing.T, at string, seen map[string]bool) {
	t.Helper()
	if seen[at] {
		return
	}
	seen[at] = true
	w := ask(t, http.MethodGet, at, "")
	if w.Code != http.StatusOK {
		t.Errorf("%s: %d", at, w.Code)
	}
	for _, match := range imported.FindAllStringSubmatch(w.Body.String(), -1) {
		modules(t, path.Join(path.Dir(at), match[1]), seen)
	}
}

var imported = regexp.MustCompile(`from "(\.{1,2}/[a-z./]+\.js)"`)

var asset = regexp.MustCompile(`(?:href|src)="([^"#]+)"`)

func TestThePageAndAllThatItNames(t *testing.T) {
	t.Parallel()
	page := ask(t, http.MethodGet, "/", "")
	if page.Code != http.StatusOK || page.Header().Get("Content-Type") != "text/html; charset=utf-8" || page.Header().Get("Cache-Control") != "no-cache" {
		t.Errorf("page: %d %v", page.Code, page.Header())
	}
	named := asset.FindAllStringSubmatch(page.Body.String(), -1)
	if len(named) < 3 {
		t.Errorf("the page names only %v", named)
	}
	types := map[string]string{"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8", "svg": "image/svg+xml"}
	for _, match := range named {
		name := match[1]
		if strings.Contains(name, "//") || strings.HasPrefix(name, "/") {
			t.Errorf("%s is not relative", name)
		}
		w := ask(t, http.MethodGet, "/"+name, "")
		if strings.HasSuffix(name, "/") {
			if w.Code != http.StatusOK {
				t.Errorf("%s: %d", name, w.Code)
			}
			continue
		}
		want := types[name[strings.LastIndexByte(name, '.')+1:]]
		if w.Code != http.StatusOK || w.Header().Get("Content-Type") != want || !strings.Contains(w.Header().Get("Cache-Control"), "immutable") {
			t.Errorf("%s: %d %v", name, w.Code, w.Header())
		}
		modules(t, "/"+name, map[string]bool{})
	}
}

func TestNothingInThePageIsInline(t *testing.T) {
	t.Parallel()
	w := ask(t, http.MethodGet, "/", "")
	for _, bad := range []string{`<script>`, `<style`, ` style="`, ` onclick=`, ` onload=`, "http://", "https://"} {
		if strings.Contains(w.Body.String(), bad) {
			t.Errorf("the page holds %q", bad)
		}
	}
	policy := w.Header().Get("Content-Security-Policy")
	if !strings.HasPrefix(policy, "default-src 'none'") || strings.Contains(policy, "unsafe") {
		t.Errorf("policy %q", policy)
	}
}

func TestRevalidation(t *testing.T) {
	t.Parallel()
	etag := ask(t, http.MethodGet, "/", "").Header().Get("ETag")
	if w := ask(t, http.MethodGet, "/", etag); w.Code != http.StatusNotModified || w.Body.Len() > 0 {
		t.Errorf("same tag: %d", w.Code)
	}
	if w := ask(t, http.MethodGet, "/", `"other"`); w.Code != http.StatusOK {
		t.Errorf("other tag: %d", w.Code)
	}
}

func TestWhatIsNotServed(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		method, path string
		want         int
	}{
		{http.MethodHead, "/", http.StatusOK},
		{http.MethodPost, "/", http.StatusMethodNotAllowed},
		{http.MethodGet, "/index.html", http.StatusNotFound},
		{http.MethodGet, "/console/", http.StatusNotFound},
		{http.MethodGet, "/console/0000000000000000/main.js", http.StatusNotFound},
		{http.MethodGet, "/console/../console.go", http.StatusNotFound},
		{http.MethodGet, "/v1/streams", http.StatusNotFound},
	} {
		if w := ask(t, test.method, test.path, ""); w.Code != test.want {
			t.Errorf("%s %s: %d, want %d", test.method, test.path, w.Code, test.want)
		}
	}
}
