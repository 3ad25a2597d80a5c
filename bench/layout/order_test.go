package layout_test

import (
	"cmp"
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// againstOrder bounds, for a package, the number of pairs of its files in which the
// first file uses the second against the order of the files. A number may only be
// reduced.
var againstOrder = map[string]int{
	"auth/apikeys":          0,
	"auth/certificates":     0,
	"auth/dpop":             0,
	"auth/introspection":    0,
	"auth/rediscall":        0,
	"auth/rediskeys":        0,
	"auth/redisauth":        1,
	"auth/forwarded":        0,
	"auth/webhook":          0,
	"hub":                   10,
	"hub/avro":              2,
	"hub/cursors":           1,
	"hub/envelope":          0,
	"hub/event":             0,
	"hub/filter":            0,
	"hub/filter/expr":       0,
	"hub/ingest/once":       0,
	"hub/ingest/quota":      0,
	"hub/ingest/rules":      0,
	"hub/kafkalog":          1,
	"hub/kafkalog/acls":     0,
	"hub/kafkalog/bearer":   0,
	"hub/kafkalog/mskiam":   0,
	"hub/kafkalog/producer": 4,
	"hub/protobuf":          2,
	"hub/record":            0,
	"hub/redact":            0,
	"hub/redisstore":        0,
	"hub/registry":          0,
	"hub/schema":            1,
	"hub/share":             0,
	"transport":             9,
	"transport/audit":       0,
	"transport/client":      1,
	"transport/compress":    0,
	"transport/elements":    0,
	"transport/socket":      1,
	"transport/wire":        0,

	"transport/wire/cloudevents": 0,
	"transport/wire/restproxy":   0,
}

// TestOrderOfFiles: the order of a package's files is the order in its doc.go. A
// file uses files named after it; the pairs of files that violate this are counted,
// and their number is bounded. With -v they are printed for every package whose
// doc.go names its files.
func TestOrderOfFiles(t *testing.T) {
	t.Parallel()
	packages, exports := listExports(t)
	counted := 0
	for _, p := range packages {
		order := orderOf(t, p)
		if len(order) < 2 {
			continue
		}
		uses := usesBetweenFiles(t, p, exports)
		against := make(map[[2]string][]string)
		for pair, names := range uses {
			from, listed := order[pair[0]]
			to, alsoListed := order[pair[1]]
			if listed && alsoListed && to < from {
				against[pair] = names
			}
		}
		name := strings.TrimPrefix(p.ImportPath, module+"/")
		most, bounded := againstOrder[name]
		if !bounded {
			t.Errorf("%s: its doc.go has an order of files, and no bound stands here", name)
		}
		counted++
		t.Logf("%s: %d of %d pairs of files are against the order", name, len(against), len(uses))
		worst := slices.SortedFunc(maps.Keys(against), func(a, b [2]string) int {
			return cmp.Or(cmp.Compare(len(against[b]), len(against[a])), strings.Compare(a[0]+a[1], b[0]+b[1]))
		})
		for _, pair := range worst {
			t.Logf("    %s uses %s of %s", pair[0], strings.Join(against[pair][:min(4, len(against[pair]))], ", "), pair[1])
		}
		if len(against) != most {
			t.Errorf("%s: %d pairs of files are against the order of its doc.go, not %d", name, len(against), most)
		}
		for _, file := range p.GoFiles {
			if _, ok := order[file]; !ok && file != "doc.go" {
				t.Errorf("%s: %s is not named by doc.go", name, file)
			}
		}
	}
	if counted != len(againstOrder) {
		t.Errorf("%d packages were held against a bound, of %d", counted, len(againstOrder))
	}
}

type exportedPackage struct {
	ImportPath, Dir, Export string
	Standard                bool
	GoFiles                 []string
}

// listExports lists the module's packages, and the files with the export data of all
// their dependencies.
func listExports(t *testing.T) (ours []exportedPackage, exports map[string]string) {
	t.Helper()
	exports = make(map[string]string)
	for _, p := range goList[exportedPackage](t, "-export", "-json=ImportPath,Dir,Export,Standard,GoFiles", "./auth/...", "./hub/...", "./transport/...") {
		exports[p.ImportPath] = p.Export
		if inside(p.ImportPath, module+"/...") {
			ours = append(ours, p)
		}
	}
	return ours, exports
}

var fileName = regexp.MustCompile(`\b[a-z][a-z0-9_]*\.go\b`)

// orderOf returns the order in which doc.go first names the files of its package.
func orderOf(t *testing.T, p exportedPackage) map[string]int {
	t.Helper()
	source, err := os.ReadFile(filepath.Join(p.Dir, "doc.go"))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	order := make(map[string]int)
	text := string(source)
	// A list of files has precedence; without one, the whole text is searched.
	if _, list, ok := strings.Cut(text, "# Files"); ok {
		text = list
	}
	for _, name := range fileName.FindAllString(text, -1) {
		if _, ok := order[name]; !ok && slices.Contains(p.GoFiles, name) {
			order[name] = len(order)
		}
	}
	return order
}

// usesBetweenFiles returns, for each pair of a package's files, what the first uses
// of the second.
func usesBetweenFiles(t *testing.T, p exportedPackage, exports map[string]string) map[[2]string][]string {
	t.Helper()
	fset := token.NewFileSet()
	var files []*ast.File
	for _, name := range p.GoFiles {
		file, err := parser.ParseFile(fset, filepath.Join(p.Dir, name), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
	}
	info := &types.Info{Uses: make(map[*ast.Ident]types.Object)}
	config := types.Config{Importer: importer.ForCompiler(fset, "gc", func(path string) (io.ReadCloser, error) {
		if exports[path] == "" {
			return nil, fmt.Errorf("%s was not compiled", path)
		}
		return os.Open(exports[path])
	})}
	of, err := config.Check(p.ImportPath, fset, files, info)
	if err != nil {
		t.Fatal(err)
	}
	uses := make(map[[2]string][]string)
	for id, object := range info.Uses {
		if object.Pkg() != of || !declaredForAll(of, object) {
			continue
		}
		pair := [2]string{filepath.Base(fset.Position(id.Pos()).Filename), filepath.Base(fset.Position(object.Pos()).Filename)}
		if pair[0] != pair[1] && !slices.Contains(uses[pair], object.Name()) {
			uses[pair] = append(uses[pair], object.Name())
		}
	}
	for _, names := range uses {
		slices.Sort(names)
	}
	return uses
}

// declaredForAll reports whether an object is package-level, a method, or a field.
func declaredForAll(of *types.Package, object types.Object) bool {
	switch object := object.(type) {
	case *types.Var:
		return object.IsField() || object.Parent() == of.Scope()
	case *types.Func:
		return true
	}
	return object.Parent() == of.Scope()
}
