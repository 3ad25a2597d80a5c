package schema_test

import (
	"encoding/json"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sluice/hub/jsonscan"
	"sluice/hub/schema"
)

var suite = flag.String("suite", "", "folder of the JSON Schema Test Suite for TestSuite")

// TestSuite checks the cases of the official test suite, of each draft: whatever a schema is
// not refused for is checked as the suite says. It is not a part of this repository:
//
//	git clone https://github.com/json-schema-org/JSON-Schema-Test-Suite /tmp/suite
//	go test ./hub/schema -run 'TestSuite$' -suite /tmp/suite -v
func TestSuite(t *testing.T) {
	t.Parallel()
	if *suite == "" {
		t.Skip("no -suite")
	}
	for folder, draft := range map[string]schema.Draft{
		"draft4": schema.Draft04, "draft6": schema.Draft06, "draft7": schema.Draft07,
		"draft2019-09": schema.Draft2019, "draft2020-12": schema.Draft2020,
	} {
		t.Run(folder, func(t *testing.T) {
			t.Parallel()
			counts := map[string]int{}
			root := filepath.Join(*suite, "tests", folder)
			err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
				if err == nil && !entry.IsDir() {
					name, _ := filepath.Rel(root, path)
					suiteFile(t, path, filepath.ToSlash(name), draft, counts)
				}
				return err
			})
			if err != nil || counts["right"] == 0 {
				t.Fatalf("%v, %v", err, counts)
			}
			t.Logf("%s: %v", draft, counts)
		})
	}
}

// refusals are why schemas of the suite are refused, by a part of the error.
var refusals = map[string]string{
	"refers to another file":       "reference outside",
	"which is not known":           "unknown format",
	"the syntax of RE2":            "pattern",
	"must name a draft":            "own metaschema",
	"refers to itself":             "endless",
	"half of a character":          "half of a character",
	"has an exponent beyond 10000": "exponent",
}

// suiteFile checks the cases of a file, and counts what they are.
func suiteFile(t *testing.T, path, name string, draft schema.Draft, counts map[string]int) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var groups []struct {
		Description string
		Schema      json.RawMessage
		Tests       []struct {
			Description string
			Data        json.RawMessage
			Valid       bool
		}
	}
	if err := json.Unmarshal(text, &groups); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	for _, group := range groups {
		s, err := schema.Options{Draft: draft}.Compile(group.Schema)
		if err != nil {
			reason := "unexplained"
			for part, is := range refusals {
				if strings.Contains(err.Error(), part) {
					reason = is
				}
			}
			if counts["refused: "+reason] += len(group.Tests); reason == "unexplained" {
				t.Errorf("%s: %s: %v", name, group.Description, err)
			}
			continue
		}
		for _, one := range group.Tests {
			if jsonscan.Check(one.Data, 1000) != nil || jsonscan.CheckNames(one.Data, 0) != nil {
				t.Errorf("%s: %s: %s: not accepted", name, group.Description, one.Description)
			}
			violations := s.Validate(one.Data, limits).Violations
			where := name + ": " + group.Description + ": " + one.Description
			switch {
			case (len(violations) == 0) == one.Valid:
				counts["right"]++
			case slices.ContainsFunc(otherwise, func(part string) bool { return strings.HasPrefix(where, part) }):
				counts["otherwise, as documented"]++
			default:
				t.Errorf("%s: got %s", where, said(violations))
			}
		}
	}
}

// otherwise are the cases that differ, most of which are optional, by how they begin.
var otherwise = []string{
	"format.json: ",                                   // formats are checked, as the standard allows
	"optional/content.json: ",                         // content is not
	"optional/ecmascript-regex.json: ECMA 262 \\s",    // patterns are those of RE2
	"optional/ecmascript-regex.json: ECMA 262 \\S",    //
	"optional/format/ecmascript-regex.json: ",         //
	"optional/format/hostname.json: validation of A-", // host names are not decoded
	"optional/format/hostname.json: validation of host names: trailing dot",
	"optional/format/iri.json: validation of IRIs: an IPvFuture host",
	"optional/format/uri-reference.json: validation of URI References: square brackets outside",
	"optional/format/uri-reference.json: validation of URI References: more than one at-sign",
	"optional/format/uri.json: validation of URIs: square brackets",
}
