package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

// The documents are README.md and the pages of web/docs. Their commands and programs
// are run here, with the real curl, Chromium, Python and Go, against the server that
// the text describes: `sluice dev`, or serve with a Kafka. The examples of the wire
// protocol are run in package transport.

const sources = "../.."

// snippet is a fenced code block.
type snippet struct {
	file string // such as web/docs/start.md
	line int    // of its first line
	kind string // the language after the fence
	text string
}

func (s snippet) String() string { return fmt.Sprintf("%s:%d", s.file, s.line) }

// documents returns the paths of the documents in the repository.
func documents(t *testing.T) []string {
	t.Helper()
	pages, err := filepath.Glob(filepath.Join(sources, "web", "docs", "*.md"))
	if err != nil || len(pages) < 10 {
		t.Fatalf("found %v, %v", pages, err)
	}
	names := []string{"README.md"}
	for _, page := range pages {
		names = append(names, "web/docs/"+filepath.Base(page))
	}
	return names
}

func readSource(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(sources, filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// snippets returns all code blocks of a document.
func snippets(t *testing.T, file string) (all []snippet) {
	t.Helper()
	inside := false
	for i, line := range strings.Split(readSource(t, file), "\n") {
		kind, isFence := strings.CutPrefix(line, "```")
		switch {
		case isFence && inside:
			inside = false
		case isFence:
			inside = true
			all = append(all, snippet{file: file, line: i + 2, kind: kind})
		case inside:
			all[len(all)-1].text += line + "\n"
		}
	}
	return all
}

// TestDocSnippets runs every snippet that works with the demo streams; every other
// snippet must be run by another test.
func TestDocSnippets(t *testing.T) {
	t.Parallel()
	address := startDev(t)
	page := sync.OnceValue(func() tab { return openTab(t) })
	for _, file := range documents(t) {
		for _, s := range snippets(t, file) {
			// Run sequentially, because the snippets share the streams.
			t.Run(s.String(), func(t *testing.T) {
				switch s.kind {
				case "sh":
					runShell(t, s, address)
				case "console":
					typeInTerminal(t, s, address)
				case "js":
					if s.file == credentialsPage { // TestBrowserCredentials
						return
					}
					program(t, "chromium")
					runScript(page().navigate(t, "http://"+address+"/"), s, address)
				case "html":
					program(t, "chromium")
					openPage(t, page(), s, address)
				case "python":
					runPython(t, s, address)
				case "go":
					runGo(t, s, address)
				case "yaml": // TestDocConfiguration, TestDocOnAKafka; the reference has a test of its own
				case "http", "sse", "ndjson", "ws", "cel":
					if file != "web/docs/PROTOCOL.md" {
						t.Errorf("%s: examples of the protocol are played in PROTOCOL.md only", s)
					}
				case "nginx": // TestTransportsThroughNginx
				case "ini": // TestDocService
				case "text":
				default:
					t.Errorf("%s: no test runs what is %q", s, s.kind)
				}
			})
		}
	}
}

// runShell runs curl commands, and checks that other commands exist.
func runShell(t *testing.T, s snippet, address string) {
	t.Helper()
	onAKafka := slices.ContainsFunc(onKafkaSnippets(t), func(other snippet) bool { return other == s })
	for line := range strings.Lines(s.text) {
		command, _, _ := strings.Cut(line, "  #")
		command = strings.TrimSpace(command)
		switch {
		case strings.HasPrefix(command, "curl "):
			runCurl(t, command, address)
		case s.file == terminalPage && strings.Contains(command, "sluice "):
			first, _, _ := strings.Cut(command, " | ")
			checkCommand(t, first)
			runTerminal(t, s, command, address)
		case onAKafka, slices.Contains(goCommands, command):
		case checkCommand(t, command):
		default:
			t.Errorf("%s: no test runs %q", s, command)
		}
	}
}

var inlineCode = regexp.MustCompile("`([^`\n]+)`")

// TestDocCommands: commands in running text use targets, packages, commands and
// flags that exist.
func TestDocCommands(t *testing.T) {
	t.Parallel()
	checked := 0
	for _, file := range documents(t) {
		for _, match := range inlineCode.FindAllStringSubmatch(readSource(t, file), -1) {
			if checkCommand(t, match[1]) {
				checked++
			}
		}
	}
	if checked < 20 {
		t.Errorf("only %d commands were found", checked)
	}
}

// checkCommand checks a command of make, go or sluice, and reports whether the text
// is one.
func checkCommand(t *testing.T, command string) bool {
	t.Helper()
	words := strings.Fields(command)
	switch {
	case len(words) < 2:
		return false
	case words[0] == "make":
		if targets := makeTargets(t); !slices.Contains(targets, words[1]) {
			t.Errorf("%q: the targets are %v", command, targets)
		}
	case words[0] == "go" && slices.Contains([]string{"run", "test", "doc"}, words[1]):
		for _, word := range words {
			path, isPath := strings.CutPrefix(word, "./")
			if !isPath {
				path, isPath = strings.CutPrefix(word, "sluice/")
			}
			if isPath {
				if info, err := os.Stat(filepath.Join(sources, path)); err != nil || !info.IsDir() {
					t.Errorf("%q: there is no package %s", command, word)
				}
			}
		}
	case words[0] == "sluice":
		found, _, err := newRoot().Find(words[1:])
		if err != nil {
			t.Errorf("%q: %v", command, err)
			return true
		}
		found.InitDefaultHelpFlag()
		for _, word := range words[2:] {
			if name, ok := strings.CutPrefix(word, "--"); ok && found.Flags().Lookup(name) == nil {
				t.Errorf("%q: there is no flag %s", command, word)
			}
		}
	default:
		return false
	}
	return true
}

func makeTargets(t *testing.T) []string {
	t.Helper()
	_, after, ok := strings.Cut(readSource(t, "Makefile"), ".PHONY: ")
	line, _, _ := strings.Cut(after, "\n")
	if !ok {
		t.Fatal("the Makefile has no line .PHONY")
	}
	return strings.Fields(line)
}

// TestDocMakeTargets: the pages for developers name every target.
func TestDocMakeTargets(t *testing.T) {
	t.Parallel()
	page := readSource(t, "web/docs/developing.md") + readSource(t, "web/docs/comparison.md")
	for _, target := range makeTargets(t) {
		if !strings.Contains(page, "make "+target) {
			t.Errorf("make %s is in neither page", target)
		}
	}
}
