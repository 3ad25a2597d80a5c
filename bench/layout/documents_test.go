package layout_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestFrontPageShowsWhatWasMeasured: the rows of figures in README.md must be those
// of the page of measurements.
func TestFrontPageShowsWhatWasMeasured(t *testing.T) {
	t.Parallel()
	measured := map[string]map[string]string{}
	for _, row := range table(t, "web/docs/measurements.md", "clients") {
		measured[row["scenario"]] = row
	}
	shown := table(t, "README.md", "memory")
	if len(shown) != 5 {
		t.Errorf("README.md shows %d rows", len(shown))
	}
	for _, row := range shown {
		for column, cell := range row {
			if want := measured[row["scenario"]][column]; strings.TrimSuffix(cell, " ms") != want {
				t.Errorf("README.md has %q for %s of %q, and measured is %q", cell, column, row["scenario"], want)
			}
		}
	}
}

// table returns the rows, by column, of the first table in a document that has a
// column named scenario and the given column.
func table(t *testing.T, file, column string) (rows []map[string]string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root(t), filepath.FromSlash(file)))
	if err != nil {
		t.Fatal(err)
	}
	var head []string
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "|") {
			if head != nil {
				break
			}
			continue
		}
		cells := strings.Split(strings.Trim(line, "|"), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		switch {
		case head == nil && cells[0] == "scenario" && slices.Contains(cells, column):
			head = cells
		case head == nil || strings.HasPrefix(cells[0], "---"):
		case len(cells) != len(head):
			t.Errorf("%s: the row %q has %d cells", file, line, len(cells))
		default:
			row := map[string]string{}
			for i, name := range head {
				row[name] = cells[i]
			}
			rows = append(rows, row)
		}
	}
	return rows
}

// TestDocumentsNameTestsThatExist: each test that a document names for a promise
// must exist.
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

// TestThreatModelNamesItsTests: each test in the column of tests must exist in the package
// that stands before it, and each attempt has a test or says that it is not stopped.
func TestThreatModelNamesItsTests(t *testing.T) {
	t.Parallel()
	dir := root(t)
	text, err := os.ReadFile(filepath.Join(dir, "web", "docs", "threat-model.md"))
	if err != nil {
		t.Fatal(err)
	}
	declared := func(where, name string) bool {
		files, err := filepath.Glob(filepath.Join(dir, filepath.FromSlash(where), "*_test.go"))
		if err != nil {
			t.Fatal(err)
		}
		return slices.ContainsFunc(files, func(file string) bool {
			source, err := os.ReadFile(file)
			return err == nil && strings.Contains(string(source), "\nfunc "+name+"(")
		})
	}
	item := regexp.MustCompile("`([^`]+)`")
	attempts, inside := 0, false
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		cells := strings.Split(strings.Trim(line, "|"), "|")
		switch {
		case !strings.HasPrefix(line, "|"):
			inside = false
		case strings.TrimSpace(cells[0]) == "attempt":
			inside = true
		case !inside || strings.HasPrefix(cells[0], "---"):
		case len(cells) != 3:
			t.Errorf("the row %q has %d cells", line, len(cells))
		default:
			attempts++
			named := 0
			for part := range strings.SplitSeq(cells[2], ";") {
				where, tests, _ := strings.Cut(part, ":")
				of := item.FindStringSubmatch(where)
				for _, test := range item.FindAllStringSubmatch(tests, -1) {
					named++
					if of == nil || !declared(of[1], test[1]) {
						t.Errorf("%s: there is no %s in it", part, test[1])
					}
				}
			}
			if named == 0 && !strings.Contains(line, "not stopped") {
				t.Errorf("no test shows what stops %q", cells[0])
			}
		}
	}
	if attempts < 30 {
		t.Errorf("there are only %d attempts", attempts)
	}
}
