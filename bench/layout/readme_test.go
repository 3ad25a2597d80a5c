package layout_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestReadmeNamesTestsThatExist holds that each test that README.md says holds a
// promise is there.
func TestReadmeNamesTestsThatExist(t *testing.T) {
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
	readme, err := os.ReadFile(filepath.Join(dir, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile("`(Test[A-Z]\\w+)`").FindAllSubmatch(readme, -1)
	if len(named) < 10 {
		t.Fatalf("README.md names only %d tests", len(named))
	}
	for _, match := range named {
		if name := string(match[1]); !there[name] {
			t.Errorf("README.md names %s, which is no test", name)
		}
	}
}
