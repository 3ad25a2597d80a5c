package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// soon bounds the time that a snippet may take. It is much more than is needed: a program in Go may
// first have to be built, with the standard library, while other packages are tested.
const soon = 3 * time.Minute

// documented is the server's address in the documents.
const documented = "127.0.0.1:8080"

// startDev runs dev until the test has ended, and returns its address.
func startDev(t *testing.T) (address string) {
	t.Helper()
	return startDevWith(t, devFlags{})
}

// startDevWith is startDev with other rates, or a shorter history, of the demo streams.
func startDevWith(t *testing.T, demo devFlags) (address string) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	printed, out := io.Pipe()
	var errs bytes.Buffer
	ended := make(chan error, 1)
	go func() {
		ended <- runDev(ctx, devFlags{
			listen: "127.0.0.1:0", admin: "127.0.0.1:0", kafkaListen: "127.0.0.1:0", level: "warn", seed: 1,
			rates: demo.rates, history: demo.history,
		}, out, &errs)
		_ = out.Close()
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("dev: %v; log:\n%s", err, errs.String())
		}
	})
	welcome := readUntil(t, printed, "Ctrl-C")
	return regexp.MustCompile(`http://([^/\s]+)/`).FindStringSubmatch(welcome)[1]
}

// program finds a program that a snippet needs. Under CI=true it must be installed.
func program(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("%s is needed", name)
		}
		t.Skipf("%s is not installed, so its snippets are not run", name)
	}
	return path
}

// running is a command that prints lines.
type running struct {
	t     *testing.T
	what  string
	lines chan string
	seen  []string // read but not matched yet
	stop  func()
	kill  func()       // at once, without a chance to end in order; stop is called afterwards
	log   bytes.Buffer // standard error; read only after the command has stopped
}

// launch starts a command, which is stopped at the end of the test at the latest.
func launch(t *testing.T, dir string, environ []string, name string, args ...string) *running {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), soon)
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), environ...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 10 * time.Second
	r := &running{t: t, what: strings.Join(append([]string{name}, args...), " "), lines: make(chan string, 1000)}
	cmd.Stderr = &r.log
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		scanner := bufio.NewScanner(out)
		scanner.Buffer(nil, 1<<20)
		for scanner.Scan() {
			r.add(ctx, scanner.Text())
		}
		close(r.lines)
		_ = cmd.Wait()
	}()
	r.kill = func() { _ = cmd.Process.Kill() }
	r.stop = func() {
		cancel()
		<-ended
	}
	t.Cleanup(r.stop)
	return r
}

// add adds a line, also after the end of the program, unless nobody reads the lines any more.
func (r *running) add(ctx context.Context, line string) {
	select {
	case r.lines <- line:
		return
	default:
	}
	select {
	case r.lines <- line:
	case <-ctx.Done():
	}
}

// until reads lines up to one that matches, and returns its submatches.
func (r *running) until(pattern *regexp.Regexp) []string {
	r.t.Helper()
	for line := range r.lines {
		if match := pattern.FindStringSubmatch(line); match != nil {
			return match
		}
		r.seen = append(r.seen, line)
	}
	r.stop()
	r.t.Fatalf("%s: no line matches %s, but it printed:\n%s\n%.500s", r.what, pattern, strings.Join(r.seen, "\n"), r.log.String())
	return nil
}

// anywhere is until, but searches the lines that until has skipped first.
func (r *running) anywhere(pattern *regexp.Regexp) []string {
	r.t.Helper()
	for i, line := range r.seen {
		if match := pattern.FindStringSubmatch(line); match != nil {
			r.seen = slices.Delete(r.seen, i, i+1)
			return match
		}
	}
	return r.until(pattern)
}

// runCurl runs a curl command: with -N until an event arrives, otherwise to its end.
func runCurl(t *testing.T, command, address string) {
	t.Helper()
	program(t, "curl")
	r := launch(t, t.TempDir(), nil, "sh", "-c", "exec "+strings.Replace(command, documented, address, 1))
	want := regexp.MustCompile(`^\{"partition":\d+,"offset":\d+,"ts":\d+\}$`)
	switch {
	case strings.Contains(command, " -N "):
		want = regexp.MustCompile(`^data: \{"type":"event"`)
	case strings.Contains(command, "/v1/dev/tokens"):
		want = regexp.MustCompile(`^\{"token":"[^"]+","expires_at":\d+\}$`)
	}
	r.until(want)
	r.stop()
}

// terminalPage is the page of which the commands of sluice are run, too.
const terminalPage = "web/docs/terminal.md"

// runTerminal runs a command until it prints something, or to its end.
func runTerminal(t *testing.T, s snippet, command, address string) {
	t.Helper()
	r := launch(t, t.TempDir(), []string{"SLUICE_SERVER=http://" + address}, "bash", "-c", "set -o pipefail; "+strings.ReplaceAll(command, documented, address))
	_, printed := <-r.lines
	r.stop()
	if log := r.log.String(); !printed || log != "" && !strings.Contains(log, " a second; ") && !strings.Contains(log, "following market.") {
		t.Errorf("%s: %s: it printed nothing, or a fault: %s", s, command, log)
	}
}

var holder = regexp.MustCompile(`<([a-z]+(-\d)?)>`)

// transcript matches the lines shown in a document with the lines received. A
// numbered placeholder stands for the same text wherever it occurs.
type transcript struct{ bound map[string]string }

func (c *transcript) fill(line string) string {
	return holder.ReplaceAllStringFunc(line, func(h string) string { return c.bound[h] })
}

// pattern returns a pattern for a line as shown, with the names of its submatches.
func (c *transcript) pattern(shown string) (pattern *regexp.Regexp, names []string) {
	var b strings.Builder
	rest := 0
	for _, at := range holder.FindAllStringIndex(shown, -1) {
		b.WriteString(regexp.QuoteMeta(shown[rest:at[0]]))
		name := shown[at[0]:at[1]]
		if known, ok := c.bound[name]; ok {
			b.WriteString(regexp.QuoteMeta(known))
		} else {
			b.WriteString(`([^"]+)`)
			names = append(names, name)
		}
		rest = at[1]
	}
	b.WriteString(regexp.QuoteMeta(shown[rest:]))
	return regexp.MustCompile("^" + b.String() + "$"), names
}

// bind stores the texts of numbered placeholders.
func (c *transcript) bind(names, texts []string) {
	for i, name := range names {
		if strings.Contains(name, "-") {
			c.bound[name] = texts[i+1]
		}
	}
}

// typeInTerminal runs the lines of a session that begin with $, and waits for the
// other lines as output.
func typeInTerminal(t *testing.T, s snippet, address string) {
	t.Helper()
	program(t, "curl")
	c := &transcript{bound: map[string]string{}}
	var first, last *running // the command that follows the stream, and the command started last
	for line := range strings.Lines(s.text) {
		line = strings.TrimSuffix(line, "\n")
		command, typed := strings.CutPrefix(line, "$ ")
		switch {
		case typed:
			last = launch(t, t.TempDir(), nil, "sh", "-c", "exec "+strings.Replace(c.fill(command), documented, address, 1))
			if strings.Contains(command, " -N ") {
				first = last
			}
		case strings.HasPrefix(line, "# Ctrl-C"):
			first.stop()
		case line == "":
			last = first // the next lines are output of the command that follows the stream
		case strings.HasPrefix(line, "#"):
		default:
			// The commands here run faster than a person types: a record that was
			// just stored may not have reached the stream, so that caught_up can
			// arrive before it.
			pattern, names := c.pattern(line)
			find := last.anywhere
			if strings.HasPrefix(line, "id: ") {
				find = last.until
			}
			c.bind(names, find(pattern))
		}
	}
	if first != nil {
		first.stop()
	}
}

// runPython runs a program, which may use the client, until it reports that a record is stored.
func runPython(t *testing.T, s snippet, address string) {
	t.Helper()
	python := program(t, "python3")
	client, err := filepath.Abs(filepath.Join(sources, "web", "client", "python"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "device.py")
	if err := os.WriteFile(file, []byte(strings.Replace(s.text, documented, address, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	r := launch(t, dir, []string{"PYTHONPATH=" + client}, python, "-B", "-u", file)
	r.until(regexp.MustCompile(`^stored at \{'partition': \d+, 'offset': \d+[,}]`))
	r.stop()
}

// goCommands are the commands with which start.md runs a program.
var goCommands = []string{"go work init . ../sluice", "go run ."}

// runGo runs a program in a module of its own until it prints records.
func runGo(t *testing.T, s snippet, address string) {
	t.Helper()
	root, err := filepath.Abs(sources)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod":  "module try\n\ngo 1.26.0\n",
		"main.go": strings.Replace(s.text, documented, address, 1),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	work := strings.Replace(goCommands[0], "../sluice", root, 1)
	r := launch(t, dir, []string{"GOWORK=", "GOFLAGS="}, "sh", "-c", work+" && go build -o try . && exec ./try")
	r.until(regexp.MustCompile(`^\S+ \{.*\}$`))
	r.stop()
}

// openPage serves a page from an origin of its own, and waits until it shows records.
func openPage(t *testing.T, in tab, s snippet, address string) {
	t.Helper()
	text := strings.ReplaceAll(s.text, documented, address)
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, text)
	}))
	defer web.Close()
	in.navigate(t, web.URL).until(`document.querySelectorAll("#prices > li").length === 20`)
}

// imports matches the imports of a module.
var imports = regexp.MustCompile(`(?m)^import (\{[^}]*\}) from "([^"]*)";`)

// runScript runs a script in the console's page. A script that shows the messages
// received is run line by line.
func runScript(page tab, s snippet, address string) {
	page.t.Helper()
	page.evaluate(`window.printed = []; console.log = (what) => printed.push(String(what))`)
	if imports.MatchString(s.text) {
		// A module that is typed: imports are expressions there.
		page.evaluate("(async () => {" + imports.ReplaceAllString(s.text, `const $1 = await import("$2");`) + "})().catch((e) => { window.failed = e }); 0")
		page.until("printed.length > 0")
		return
	}
	if !strings.Contains(s.text, "\n// ") {
		page.evaluate(s.text)
		page.until("printed.length > 0")
		return
	}
	c := &transcript{bound: map[string]string{}}
	seen := 0
	var early []string // printed before a record
	for line := range strings.Lines(s.text) {
		line = strings.TrimSpace(line)
		if shown, ok := strings.CutPrefix(line, "// "); ok {
			pattern, names := c.pattern(shown)
			// As in a terminal, caught_up can arrive before a record.
			if slices.ContainsFunc(early, pattern.MatchString) && strings.Contains(shown, `"type":"caught_up"`) {
				early = nil
				continue
			}
			match, over := page.printed(pattern, &seen)
			c.bind(names, match)
			if strings.Contains(shown, `"type":"event"`) {
				early = append(early, over...)
			}
			continue
		}
		if strings.HasPrefix(line, "ws.send") {
			page.until("ws.readyState === WebSocket.OPEN")
		}
		page.evaluate(strings.Replace(c.fill(line), documented, address, 1))
	}
}

// tab is a page in Chromium.
type tab struct {
	t   *testing.T
	ctx context.Context
}

// openTab starts a Chromium for the test.
func openTab(t *testing.T) tab {
	t.Helper()
	ctx, stop := chromedp.NewExecAllocator(t.Context(), append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(program(t, "chromium")), chromedp.UserDataDir(t.TempDir()), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.WSURLReadTimeout(soon),
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true))...)
	t.Cleanup(stop)
	ctx, closeTab := chromedp.NewContext(ctx)
	t.Cleanup(closeTab)
	// The first action starts the browser, which lives as long as its context.
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("start chromium: %v", err)
	}
	return tab{t: t, ctx: ctx}
}

// navigate opens a page, for a subtest with a deadline of its own.
func (p tab) navigate(t *testing.T, url string) tab {
	t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, soon)
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx, chromedp.Navigate(url)); err != nil {
		t.Fatal(err)
	}
	return tab{t: t, ctx: ctx}
}

func (p tab) evaluate(script string) {
	p.t.Helper()
	if _, err := chromedp.Run(p.ctx, chromedp.Evaluate[bool](script+"\n;true")); err != nil {
		p.t.Fatalf("%s: %v", script, err)
	}
}

func (p tab) until(expression string) {
	p.t.Helper()
	for {
		got, err := chromedp.Run(p.ctx, chromedp.Evaluate[bool](expression))
		if err != nil {
			p.t.Fatalf("%s: %v", expression, err)
		}
		if got {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// printed waits for a line that matches, after the lines seen so far. It also
// returns the lines before the match.
func (p tab) printed(pattern *regexp.Regexp, seen *int) (match, over []string) {
	p.t.Helper()
	for {
		p.until("printed.length > " + strconv.Itoa(*seen) + " || performance.now() > 120000")
		line, err := chromedp.Run(p.ctx, chromedp.Evaluate[string]("printed["+strconv.Itoa(*seen)+"] ?? ''"))
		if err != nil || line == "" {
			p.t.Fatalf("nothing that matches %s was printed: %v", pattern, err)
		}
		*seen++
		if match := pattern.FindStringSubmatch(line); match != nil {
			return match, over
		}
		over = append(over, line)
		p.t.Logf("passed over: %s", line)
	}
}
