package web_test

import (
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// documentFiles returns the Markdown files that are served, by name.
func documentFiles(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob("docs/*.md")
	if err != nil || len(files) < 10 {
		t.Fatalf("found %v, %v", files, err)
	}
	texts := map[string]string{}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		texts[strings.TrimSuffix(filepath.Base(file), ".md")] = string(b)
	}
	return texts
}

// pathOf returns the path of a document's page.
func pathOf(name string) string {
	if name == "README" {
		return "/docs/"
	}
	return "/docs/" + name
}

func TestDocumentsAreServed(t *testing.T) {
	t.Parallel()
	for name, text := range documentFiles(t) {
		source := ask(t, http.MethodGet, "/docs/"+name+".md", "")
		if source.Code != http.StatusOK || source.Header().Get("Content-Type") != "text/markdown; charset=utf-8" || source.Body.String() != text {
			t.Errorf("%s.md: %d %v", name, source.Code, source.Header())
		}
		page := ask(t, http.MethodGet, pathOf(name), "")
		if page.Code != http.StatusOK || page.Header().Get("Content-Type") != "text/html; charset=utf-8" {
			t.Errorf("%s: %d %v", name, page.Code, page.Header())
		}
		console := ask(t, http.MethodGet, "/", "")
		for _, header := range []string{"Content-Security-Policy", "X-Content-Type-Options", "Referrer-Policy", "Cross-Origin-Opener-Policy", "Cross-Origin-Resource-Policy", "Cache-Control"} {
			if want := console.Header().Get(header); want == "" || page.Header().Get(header) != want || source.Header().Get(header) != want {
				t.Errorf("%s: %s is %q, and the console's %q", name, header, page.Header().Get(header), want)
			}
		}
		for _, bad := range []string{`<script>`, `<style`, ` style="`, ` onclick=`, "<!--"} {
			if strings.Contains(page.Body.String(), bad) {
				t.Errorf("the page of %s holds %q", name, bad)
			}
		}
		for _, served := range []string{pathOf(name), "/docs/" + name + ".md"} {
			tag := ask(t, http.MethodHead, served, "").Header().Get("ETag")
			if w := ask(t, http.MethodGet, served, tag); tag == "" || w.Code != http.StatusNotModified {
				t.Errorf("%s with the tag %s: %d", served, tag, w.Code)
			}
			if w := ask(t, http.MethodPost, served, ""); w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != "GET, HEAD" {
				t.Errorf("POST %s: %d", served, w.Code)
			}
		}
	}
	for _, missing := range []string{"/docs/README", "/docs/nothing", "/docs/nothing.md", "/docs/start/", "/docs/none.png", "/docs/page.html", "/docs/../docs.go"} {
		if w := ask(t, http.MethodGet, missing, ""); w.Code != http.StatusNotFound {
			t.Errorf("%s: %d", missing, w.Code)
		}
	}
	for method, want := range map[string]int{http.MethodGet: http.StatusTemporaryRedirect, http.MethodHead: http.StatusTemporaryRedirect, http.MethodPost: http.StatusMethodNotAllowed} {
		if w := ask(t, method, "/docs?x=secret", ""); w.Code != want || want < 400 && w.Header().Get("Location") != "docs/" {
			t.Errorf("%s /docs: %d %v", method, w.Code, w.Header())
		}
	}
}

var (
	href      = regexp.MustCompile(`(?:href|src)="([^"]*)"`)
	elementID = regexp.MustCompile(` id="([^"]*)"`)
)

// TestDocLinksAsServed follows every link of every page, and checks its anchor.
func TestDocLinksAsServed(t *testing.T) {
	t.Parallel()
	names := documentFiles(t)
	followed := 0
	for name := range names {
		base := &url.URL{Path: pathOf(name)}
		page := ask(t, http.MethodGet, base.Path, "").Body.String()
		for other := range names {
			if nav := `<a href="` + strings.TrimPrefix(pathOf(other), "/docs/") + `"`; other != "README" && !strings.Contains(page, nav) {
				t.Errorf("%s has no way to %s", name, other)
			}
		}
		for _, match := range href.FindAllStringSubmatch(page, -1) {
			target, err := base.Parse(strings.ReplaceAll(match[1], "&amp;", "&"))
			if err != nil {
				t.Fatal(err)
			}
			if target.Host != "" {
				continue
			}
			followed++
			if strings.HasPrefix(match[1], "/") {
				t.Errorf("%s: the link to %s is not relative", name, match[1])
			}
			w := ask(t, http.MethodGet, target.Path, "")
			if w.Code != http.StatusOK {
				t.Errorf("%s links to %s: %d", name, match[1], w.Code)
			}
			if target.Fragment != "" && !slices.Contains(ids(w.Body.String()), target.Fragment) {
				t.Errorf("%s links to %s, and there is no such place", name, match[1])
			}
		}
	}
	if followed < 100 {
		t.Errorf("only %d links were followed", followed)
	}
}

func ids(page string) (all []string) {
	for _, match := range elementID.FindAllStringSubmatch(page, -1) {
		all = append(all, match[1])
	}
	return all
}

var (
	fenced  = regexp.MustCompile("(?ms)^```.*?^```$")
	inline  = regexp.MustCompile("`[^`\n]+`")
	mdLink  = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	mdTitle = regexp.MustCompile(`(?m)^#{1,6} (.+)$`)
)

// TestDocLinksInTheRepository follows the links of the Markdown files: to files that
// exist, and to headings by the ids that GitHub gives them.
func TestDocLinksInTheRepository(t *testing.T) {
	t.Parallel()
	const root = ".."
	files := []string{"README.md"}
	for name := range documentFiles(t) {
		files = append(files, "web/docs/"+name+".md")
	}
	read := func(file string) string {
		b, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(file)))
		if err != nil {
			t.Error(err)
		}
		return fenced.ReplaceAllString(string(b), "")
	}
	followed := 0
	for _, file := range files {
		for _, match := range mdLink.FindAllStringSubmatch(inline.ReplaceAllString(read(file), ""), -1) {
			if strings.HasPrefix(match[1], "http") {
				continue
			}
			followed++
			target, anchor, _ := strings.Cut(match[1], "#")
			to := file
			if target != "" {
				to = path.Join(path.Dir(file), target)
			}
			if anchor == "" {
				if _, err := os.Stat(filepath.Join(root, filepath.FromSlash(to))); err != nil {
					t.Errorf("%s links to %s: %v", file, match[1], err)
				}
				continue
			}
			if !slices.Contains(headingIDs(read(to)), anchor) {
				t.Errorf("%s links to %s, and there is no such heading", file, match[1])
			}
		}
	}
	if followed < 60 {
		t.Errorf("only %d links were followed", followed)
	}
}

// headingIDs returns the ids that GitHub gives the headings of a file.
func headingIDs(text string) (all []string) {
	dropped := regexp.MustCompile(`[^\p{L}\p{N}_ -]`)
	for _, match := range mdTitle.FindAllStringSubmatch(text, -1) {
		all = append(all, strings.ReplaceAll(strings.ToLower(dropped.ReplaceAllString(match[1], "")), " ", "-"))
	}
	return all
}
