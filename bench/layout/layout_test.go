package layout_test

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// module is this module's path.
const module = "sluice"

// rule is what the packages below a directory may import, tests excluded. The first
// rule that fits a package applies.
type rule struct {
	// of is a package, or with "/..." a package and all below it.
	of string
	// ours lists the packages of this module that may be imported, in the same
	// form. "self" stands for the package's own tree.
	ours []string
	// others lists, by prefix, the other modules that may be imported; nil allows
	// any.
	others []string
}

// leaves are the packages that the domain is built on, which do not import it.
var leaves = []string{"hub/jsonscan", "hub/record", "hub/event", "hub/redact", "hub/filter", "hub/filter/expr", "hub/upstream", "hub/share", "hub/backoff", "hub/cursors", "hub/schema", "hub/ingest", "hub/ingest/once"}

var rules = []rule{
	// The leaves of the domain; each may import only leaves before it.
	{of: "hub/jsonscan", ours: nil, others: []string{}},
	{of: "hub/record", ours: nil, others: []string{}},
	{of: "hub/backoff", ours: nil, others: []string{}},
	{of: "hub/share", ours: nil, others: []string{}},
	{of: "hub/upstream", ours: []string{"hub/record", "hub/share"}, others: []string{}},
	{of: "hub/schema", ours: []string{"hub/jsonscan"}, others: []string{"github.com/santhosh-tekuri/jsonschema/v6", "golang.org/x/text"}},
	{of: "hub/ingest", ours: []string{"hub/jsonscan", "hub/record", "hub/event", "hub/filter", "hub/upstream", "hub/share", "hub/schema"}, others: []string{}},
	{of: "hub/ingest/once", ours: []string{"hub/ingest", "hub/record", "hub/upstream", "hub/share", "hub/backoff"}, others: []string{}},
	{of: "hub/ingest/quota", ours: []string{"hub/ingest"}, others: []string{}},
	{of: "hub/ingest/rules", ours: []string{"hub/ingest", "hub/jsonscan", "hub/record", "hub/event"}, others: []string{}},
	{of: "hub/cursors", ours: []string{"hub/record", "hub/backoff"}, others: []string{}},
	{of: "hub/event", ours: []string{"hub/jsonscan", "hub/record"}, others: []string{}},
	{of: "hub/redact", ours: []string{"hub/jsonscan"}, others: []string{}},
	{of: "hub/filter", ours: []string{"hub/jsonscan", "hub/event", "hub/record", "hub/redact"}, others: []string{}},
	{of: "hub/filter/expr", ours: []string{"hub/filter", "hub/jsonscan"}, others: []string{"cel.dev/cel-go"}},
	{of: "hub", ours: leaves, others: []string{}},
	{of: "hub/envelope", ours: []string{"hub/jsonscan", "hub/record", "hub/event", "hub/redact"}, others: []string{"github.com/tink-crypto/tink-go/v2"}},
	{of: "hub/envelope/transit", ours: nil, others: []string{}},
	{of: "hub/avro", ours: []string{"hub/jsonscan", "hub/schema"}, others: []string{"github.com/twmb/avro"}},
	{of: "hub/protobuf", ours: []string{"hub/jsonscan", "hub/schema"}, others: []string{"github.com/bufbuild/protocompile", "google.golang.org/protobuf"}},
	{of: "hub/registry", ours: []string{"hub", "hub/avro", "hub/protobuf", "hub/backoff", "hub/ingest", "hub/jsonscan", "hub/record", "hub/schema", "hub/upstream"}, others: []string{"github.com/twmb/franz-go/pkg/sr"}},
	// Tokens for Kafka know nothing of reading and writing.
	{of: "hub/kafkalog/bearer", ours: nil, others: []string{"github.com/segmentio/kafka-go"}},
	{of: "hub/kafkalog/mskiam", ours: []string{"hub/kafkalog/bearer"}, others: []string{
		"github.com/aws/aws-msk-iam-sasl-signer-go", "github.com/aws/aws-sdk-go-v2", "github.com/aws/smithy-go",
	}},
	// An adapter may import the domain, but not the other adapters.
	{of: "hub/...", ours: append([]string{"hub", "self"}, leaves...)},
	{of: "auth", ours: nil, others: []string{
		"github.com/golang-jwt/jwt/v5", "github.com/MicahParks/jwkset",
	}},
	// Each kind of credential knows the core and the library that it wraps.
	{of: "auth/apikeys", ours: []string{"auth"}, others: []string{"go.yaml.in/yaml/v3", "golang.org/x/crypto"}},
	{of: "auth/introspection", ours: []string{"auth"}, others: []string{"github.com/sony/gobreaker/v2"}},
	{of: "auth/certificates", ours: []string{"auth"}, others: []string{}},
	{of: "auth/dpop", ours: []string{"auth"}, others: []string{"github.com/golang-jwt/jwt/v5"}},
	{of: "auth/rediscall", ours: nil, others: []string{"github.com/redis/go-redis/v9", "github.com/sony/gobreaker/v2"}},
	{of: "auth/rediskeys", ours: []string{"auth/rediscall"}, others: []string{"github.com/redis/go-redis/v9"}},
	{of: "auth/redisauth", ours: []string{"auth", "auth/rediscall"}, others: []string{"github.com/redis/go-redis/v9", "github.com/cenkalti/backoff/v5"}},
	{of: "auth/webhook", ours: []string{"auth"}, others: []string{"github.com/sony/gobreaker/v2"}},
	{of: "auth/forwarded", ours: []string{"auth"}, others: []string{}},
	{of: "auth/...", ours: []string{"auth", "self"}},
	{of: "web/...", ours: []string{"self"}, others: []string{"github.com/yuin/goldmark"}},
	{of: "transport/client/...", ours: []string{"self", "transport/wire"}},
	{of: "transport/socket", ours: nil, others: []string{"golang.org/x/sys"}},
	{of: "transport/elements", ours: nil, others: []string{}},
	{of: "transport/compress", ours: append([]string{"hub", "transport/wire"}, leaves...), others: []string{"github.com/klauspost/compress"}},
	{of: "transport/wire/...", ours: append([]string{"hub", "self"}, leaves...)},
	{of: "transport/...", ours: append([]string{"hub", "auth", "transport/..."}, leaves...)},
	{of: "cmd/...", ours: []string{"cmd/...", "hub/...", "auth/...", "transport/...", "web/..."}},
	// The packages that test the server share no code with it.
	{of: "bench/check/...", ours: []string{"self"}},
	{of: "bench/stack/...", ours: []string{"bench/stack/..."}},
	{of: "bench/...", ours: []string{"bench/...", "transport/client"}},
}

type goPackage struct {
	ImportPath string
	Dir        string
	Standard   bool
	Imports    []string
}

func TestImportsGoOneWay(t *testing.T) {
	t.Parallel()
	packages := list(t)
	standard := make(map[string]bool)
	var ours []goPackage
	for _, p := range packages {
		switch {
		case p.Standard:
			standard[p.ImportPath] = true
		case inside(p.ImportPath, module+"/..."):
			ours = append(ours, p)
		}
	}
	if len(ours) < 5 {
		t.Fatalf("go list found only %d packages of the module", len(ours))
	}
	used := make(map[string]bool) // modules that the rules name
	for _, p := range ours {
		name := strings.TrimPrefix(p.ImportPath, module+"/")
		i := slices.IndexFunc(rules, func(r rule) bool { return inside(name, r.of) })
		if i < 0 {
			t.Errorf("no rule says what %s may import", p.ImportPath)
			continue
		}
		for _, imported := range p.Imports {
			if imported == "C" || standard[imported] {
				continue
			}
			if fault := rules[i].judge(name, imported); fault != "" {
				t.Errorf("%s imports %s: %s", p.ImportPath, imported, fault)
			}
			for _, other := range rules[i].others {
				if imported == other || strings.HasPrefix(imported, other+"/") {
					used[rules[i].of+" "+other] = true
				}
			}
		}
	}
	for _, r := range rules {
		for _, other := range r.others {
			if !used[r.of+" "+other] {
				t.Errorf("the rule for %s allows %s, which nothing there imports", r.of, other)
			}
		}
	}
}

// judge returns what is wrong with an import, or an empty text.
func (r rule) judge(importer, imported string) string {
	name, ours := strings.CutPrefix(imported, module+"/")
	if !ours {
		if r.others == nil || slices.ContainsFunc(r.others, func(prefix string) bool {
			return imported == prefix || strings.HasPrefix(imported, prefix+"/")
		}) {
			return ""
		}
		return "of other modules it may know only " + strings.Join(r.others, ", ")
	}
	for _, allowed := range r.ours {
		if allowed == "self" {
			// hub/kafkalog/x belongs to the tree of hub/kafkalog.
			parts := strings.SplitN(importer, "/", 3)
			allowed = strings.Join(parts[:min(2, len(parts))], "/") + "/..."
		}
		if inside(name, allowed) {
			return ""
		}
	}
	return "of this module it may know only [" + strings.Join(r.ours, " ") + "]"
}

func TestRulesTellRightFromWrong(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		importer, imported string
		allowed            bool
	}{
		{"hub", "sluice/auth", false},
		{"hub", "sluice/hub/kafkalog", false},
		{"hub", "github.com/tidwall/gjson", false},
		{"hub", "sluice/hub/record", true},
		{"hub/record", "sluice/hub", false},
		{"hub/record", "sluice/hub/event", false},
		{"hub/event", "sluice/hub/record", true},
		{"hub/filter", "sluice/hub/event", true},
		{"hub/event", "sluice/hub/filter", false},
		{"hub/filter", "sluice/hub", false},
		{"hub", "github.com/segmentio/kafka-go", false},
		{"hub", "sluice/hub/envelope", false},
		{"hub/envelope", "sluice/hub", false},
		{"hub/envelope", "sluice/hub/redact", true},
		{"hub/envelope/transit", "github.com/tink-crypto/tink-go/v2/tink", false},
		{"transport", "sluice/hub/envelope", false},
		{"hub/kafkalog", "sluice/hub", true},
		{"hub/kafkalog/producer", "sluice/hub/kafkalog", true},
		{"hub/kafkalog", "sluice/hub/redisstore", false},
		{"hub/redisstore", "sluice/hub/kafkalog", false},
		{"hub/kafkalog", "github.com/segmentio/kafka-go", true},
		{"auth", "sluice/hub", false},
		{"auth", "sluice/auth/apikeys", false},
		{"auth/apikeys", "sluice/auth", true},
		{"auth/apikeys", "sluice/auth/dpop", false},
		{"auth/dpop", "github.com/redis/go-redis/v9", false},
		{"web", "sluice/transport", false},
		{"web", "github.com/tidwall/gjson", false},
		{"web", "github.com/yuin/goldmark/ast", true},
		{"transport", "sluice/hub", true},
		{"transport", "sluice/transport/wire", true},
		{"transport", "sluice/hub/kafkalog", false},
		{"transport", "sluice/cmd/sluice/config", false},
		{"cmd/sluice", "sluice/hub/kafkalog", true},
		{"cmd/sluice", "sluice/bench/stack", false},
		{"bench/check", "sluice/hub", false},
		{"bench/e2e", "sluice/bench/check", true},
	} {
		i := slices.IndexFunc(rules, func(r rule) bool { return inside(c.importer, r.of) })
		if got := rules[i].judge(c.importer, c.imported) == ""; got != c.allowed {
			t.Errorf("%s imports %s: allowed %v, want %v", c.importer, c.imported, got, c.allowed)
		}
	}
}

func TestTopLevel(t *testing.T) {
	t.Parallel()
	want := []string{"Makefile", "README.md", "auth", "bench", "cmd", "go.mod", "go.sum", "hub", "transport", "web"}
	entries, err := os.ReadDir(root(t))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, entry := range entries {
		name := entry.Name()
		if strings.HasPrefix(name, ".") || name == "sluice" && !entry.IsDir() { // the output of `make build`
			continue
		}
		got = append(got, name)
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("the top level holds %v, want %v and files that begin with a dot", got, want)
	}
}

// inside reports whether a package fits a pattern.
func inside(name, pattern string) bool {
	if tree, ok := strings.CutSuffix(pattern, "/..."); ok {
		return name == tree || strings.HasPrefix(name, tree+"/")
	}
	return name == pattern
}

// list returns the module's packages and all their dependencies.
func list(t *testing.T) []goPackage {
	t.Helper()
	return goList[goPackage](t, "-json=ImportPath,Dir,Standard,Imports", "./...")
}

// goList lists packages and all their dependencies, as reported by the go command.
func goList[P any](t *testing.T, args ...string) (packages []P) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", append([]string{"list", "-deps"}, args...)...)
	cmd.Dir = root(t)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v: %s", err, stderr.String())
	}
	for decoder := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p P
		err := decoder.Decode(&p)
		if errors.Is(err, io.EOF) {
			return packages
		}
		if err != nil {
			t.Fatal(err)
		}
		packages = append(packages, p)
	}
}

func root(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "go.mod")); err != nil {
		t.Fatal(err)
	}
	return dir
}
