package transport_test

import (
	"go/ast"
	"go/parser"
	gotoken "go/token"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/coder/websocket"
)

// The document begins with two walks that people type: one in a terminal, one in a
// browser's console. They are run here like the other examples, without curl and
// without a browser; a test in cmd/sluice runs the real ones, with the server that
// the walks are made for.

// walkStream is the one stream of the walks.
const walkStream = "chat.lobby"

func (e example) isWalk() bool { return e.kind == "console" || e.kind == "js" }

// walkServer is the address of the walks' server.
const walkServer = "127.0.0.1:8080"

var (
	isCurl      = regexp.MustCompile(`^\$ curl ((?:-N |-[Hd] '[^']*' )*)'?http://` + walkServer + `(/[^' ]*)'?$`)
	curlOption  = regexp.MustCompile(`-([NHd])(?: '([^']*)')? `)
	isConnect   = regexp.MustCompile(`^ws = new WebSocket\("ws://` + walkServer + `(/[^"]*)"\)$`)
	isSend      = regexp.MustCompile(`^ws\.send\('(.*)'\)$`)
	isPrinted   = regexp.MustCompile(`^// (\{.*\})$`)
	printsThem  = "ws.onmessage = (message) => console.log(message.data)"
	closesThere = "ws.close()"
)

// terminal runs a command, or compares the output of a running one.
func (p *player) terminal(line string) {
	p.t.Helper()
	if !strings.HasPrefix(line, "$ ") {
		p.event()
		return
	}
	command := isCurl.FindStringSubmatch(line)
	if command == nil {
		p.fatalf("%q is no command of a walk", line)
	}
	var header []string
	body, follows := "", false
	for _, option := range curlOption.FindAllStringSubmatch(command[1], -1) {
		switch option[1] {
		case "N":
			follows = true
		case "H":
			name, value, _ := strings.Cut(p.fillIn(option[2]), ": ")
			header = append(header, name, value)
		case "d":
			body = option[2]
		}
	}
	p.at++
	if follows {
		p.seen = p.in.events(command[2], "", header...)
		return
	}
	_, _, answer := p.in.do("POST", command[2], "", body, header...)
	p.matchJSON(strings.Join(p.block(), "\n"), answer)
}

// script runs a line of the browser's console.
func (p *player) script(line string) {
	p.t.Helper()
	switch connect, send, printed := isConnect.FindStringSubmatch(line), isSend.FindStringSubmatch(line), isPrinted.FindStringSubmatch(line); {
	case connect != nil:
		p.connect(connect[1], nil)
	case line == printsThem:
	case send != nil:
		p.send(p.socket[0], send[1])
	case printed != nil:
		p.receive(p.socket[0], printed[1])
	case line == closesThere:
		_ = p.socket[0].Close(websocket.StatusNormalClosure, "")
	default:
		p.fatalf("%q is no line of a walk", line)
	}
}

// TestProtocolWalks: both walks exist and are short enough to type.
func TestProtocolWalks(t *testing.T) {
	t.Parallel()
	lines := map[string]int{}
	for _, e := range readExamples(t) {
		if e.isWalk() {
			lines[e.kind] += len(e.lines)
		}
	}
	for _, kind := range []string{"console", "js"} {
		if n := lines[kind]; n < 10 || n > 40 {
			t.Errorf("the walk of kind %s has %d lines", kind, n)
		}
	}
}

var reasonRow = regexp.MustCompile("(?s)The reasons are:\n\n\\| reason \\| \\|\n\\|---\\|---\\|\n(.*?)\n\n")

// TestProtocolReasons compares the reasons of `unsubscribed` with the code's.
func TestProtocolReasons(t *testing.T) {
	t.Parallel()
	table := reasonRow.FindStringSubmatch(strings.Join(readDocument(t), "\n"))
	if table == nil {
		t.Fatalf("%s has no table of reasons", document)
	}
	var listed []string
	for row := range strings.Lines(table[1]) {
		for _, name := range regexp.MustCompile("`([a-z_]+)`").FindAllStringSubmatch(strings.Split(row, "|")[1], -1) {
			listed = append(listed, name[1])
		}
	}
	slices.Sort(listed)
	if want := constantsOf(t, "wire", "Reason"); !slices.Equal(listed, want) {
		t.Errorf("%s lists the reasons %v, the code has %v", document, listed, want)
	}
}

// constantsOf returns the values of a package's constants of a type, from its
// source, as a program cannot list them.
func constantsOf(t *testing.T, dir, typeName string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]bool{}
	for _, file := range files {
		parsed, err := parser.ParseFile(gotoken.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok || len(spec.Values) != 1 {
				return true
			}
			if name, ok := spec.Type.(*ast.Ident); ok && name.Name == typeName {
				if literal, ok := spec.Values[0].(*ast.BasicLit); ok {
					value, _ := strconv.Unquote(literal.Value)
					values[value] = true
				}
			}
			return true
		})
	}
	return slices.Sorted(maps.Keys(values))
}
