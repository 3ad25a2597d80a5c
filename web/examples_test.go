package web_test

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// mostLines bounds an example, so that it can be read and copied as a whole.
const mostLines = 150

// exampleFiles returns the examples by name.
func exampleFiles(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob("examples/*")
	if err != nil || len(files) < 8 {
		t.Fatalf("found %v, %v", files, err)
	}
	texts := map[string]string{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		texts[filepath.Base(file)] = string(text)
	}
	return texts
}

func TestExamplesAreShort(t *testing.T) {
	t.Parallel()
	for name, text := range exampleFiles(t) {
		if lines := strings.Count(text, "\n"); lines > mostLines || !strings.HasSuffix(text, "\n") {
			t.Errorf("%s has %d lines, and may have %d", name, lines, mostLines)
		}
	}
}

// TestExamplesAreServed: each example is there to be read, and pages are there as pages, whose
// policy allows what is in them, by its hash, and nothing else that is inline.
func TestExamplesAreServed(t *testing.T) {
	t.Parallel()
	inline := regexp.MustCompile(`(?s)<(script|style)[^>]*>(.*?)</`)
	for name, text := range exampleFiles(t) {
		source := ask(t, http.MethodGet, "/examples/"+name, "")
		if source.Code != http.StatusOK || source.Header().Get("Content-Type") != "text/plain; charset=utf-8" || source.Body.String() != text {
			t.Errorf("%s: %d %v", name, source.Code, source.Header())
		}
		name, isPage := strings.CutSuffix(name, ".html")
		if !isPage {
			continue
		}
		page := ask(t, http.MethodGet, "/examples/"+strings.TrimSuffix(name, "index"), "")
		if page.Code != http.StatusOK || page.Header().Get("Content-Type") != "text/html; charset=utf-8" || page.Body.String() != text {
			t.Errorf("%s: %d %v", name, page.Code, page.Header())
		}
		policy := page.Header().Get("Content-Security-Policy")
		var allowed []string
		for _, element := range inline.FindAllStringSubmatch(text, -1) {
			sum := sha256.Sum256([]byte(element[2]))
			allowed = append(allowed, "'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+"'")
		}
		for _, hash := range allowed {
			if !strings.Contains(policy, hash) {
				t.Errorf("%s: the policy %q lacks %s", name, policy, hash)
			}
		}
		if strings.Count(policy, "sha256-") != len(allowed) || strings.Contains(policy, "unsafe") ||
			!strings.HasPrefix(policy, "default-src 'none'") || !strings.Contains(policy, "require-trusted-types-for 'script'") {
			t.Errorf("%s has the policy %q", name, policy)
		}
		for _, bad := range []string{` style="`, ` onclick="`, ` src="`, "innerHTML", "eval("} {
			if strings.Contains(text, bad) {
				t.Errorf("%s has %s", name, bad)
			}
		}
	}
	folder := ask(t, http.MethodGet, "/examples?x=secret", "")
	if folder.Code != http.StatusTemporaryRedirect || folder.Header().Get("Location") != "examples/" {
		t.Errorf("/examples: %d %v", folder.Code, folder.Header())
	}
	for _, missing := range []string{"/examples/index", "/examples/nothing", "/examples/nothing.html", "/examples/flights/"} {
		if w := ask(t, http.MethodGet, missing, ""); w.Code != http.StatusNotFound {
			t.Errorf("%s: %d", missing, w.Code)
		}
	}
}

// TestExamplesAreLinked: the index and the documents name each example, pages lead back to the
// index, and no link leads nowhere.
func TestExamplesAreLinked(t *testing.T) {
	t.Parallel()
	files := exampleFiles(t)
	document := documentFiles(t)["examples"]
	for name, text := range files {
		var targets []string
		for _, match := range href.FindAllStringSubmatch(text, -1) {
			if !strings.HasSuffix(name, ".html") || strings.HasPrefix(match[1], "data:") {
				continue
			}
			target, err := (&url.URL{Path: "/examples/"}).Parse(match[1])
			if err != nil {
				t.Fatal(err)
			}
			targets = append(targets, target.Path)
			if w := ask(t, http.MethodGet, target.Path, ""); w.Code != http.StatusOK || target.Host != "" || strings.HasPrefix(match[1], "/") {
				t.Errorf("%s links to %s: %d", name, match[1], w.Code)
			}
		}
		if name == "index.html" {
			continue
		}
		if strings.HasSuffix(name, ".html") && !slices.Contains(targets, "/examples/") {
			t.Errorf("%s has no way back", name)
		}
		if !strings.Contains(files["index.html"], `href="`+name+`"`) || !strings.Contains(document, "`"+name+"`") {
			t.Errorf("the index or the document does not name %s", name)
		}
	}
}
