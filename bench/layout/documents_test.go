package layout_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestDocumentsNameTestsThatExist holds that each test that a document says holds
// a promise is there.
func TestDocumentsNameTestsThatExist(t *testing.T) {
	t.Parallel()
	dir := root(t)
	there := map[string]bool{}
	declared := regexp.MustCompile(`(?m)^func (Test\w+)\(`)
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		source, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, match := range declared.FindAllSubmatch(source, -1) {
			there[string(match[1])] = true
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	documents, err := filepath.Glob(filepath.Join(dir, "web", "docs", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	named := 0
	for _, document := range append(documents, filepath.Join(dir, "README.md")) {
		text, err := os.ReadFile(document)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range regexp.MustCompile("`(Test[A-Z]\\w+)`").FindAllSubmatch(text, -1) {
			named++
			if name := string(match[1]); !there[name] {
				t.Errorf("%s names %s, which is no test", filepath.Base(document), name)
			}
		}
	}
	if named < 30 {
		t.Errorf("the documents name only %d tests", named)
	}
}
