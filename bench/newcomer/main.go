// Command newcomer times the first hour of somebody who follows README.md: it clones the
// repository, runs make run with empty caches of Go, and opens the page of README.md, served
// from an origin of its own, until that shows records.
//
//	go run ./bench/newcomer
//
// Reading and typing take no time here. What is fetched comes from the module proxy that Go is
// set to. As root on Debian it installs Chromium.
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/chromedp/chromedp"

	"sluice/bench/stack"
)

// within bounds a run: on a slow line, fetching and building can take minutes.
const within = 20 * time.Minute

// The addresses in README.md.
const (
	console = "http://127.0.0.1:8080/"
	ready   = "Sluice is running"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "newcomer:", err)
		os.Exit(1) //nolint:gocritic // nothing is left to be stopped
	}
}

// path is what the newcomer does, step by step.
type path struct {
	dir   string // everything is in it
	began time.Time
	total time.Duration
}

func run(ctx context.Context) (err error) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	if err := stack.Install(ctx, "chromium", "git"); err != nil {
		return err //nolint:wrapcheck // it says what is missing
	}
	dir, err := os.MkdirTemp("", "newcomer")
	if err != nil {
		return fmt.Errorf("make a folder: %w", err)
	}
	p := &path{dir: dir, began: time.Now()}
	defer func() { err = errors.Join(err, p.clean()) }()

	here, err := os.Getwd()
	if err != nil {
		return fmt.Errorf("find the repository: %w", err)
	}
	clone := exec.CommandContext(ctx, "git", "clone", "--quiet", here, p.clone())
	if out, err := clone.CombinedOutput(); err != nil {
		return fmt.Errorf("clone: %w: %s", err, out)
	}
	p.step("git clone")

	stop, err := p.makeRun(ctx)
	if err != nil {
		return err
	}
	defer stop()
	p.step("make run, until it is ready")

	page, err := p.page()
	if err != nil {
		return err
	}
	ctx, closeBrowser := chromedp.NewExecAllocator(ctx, append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath("chromium"), chromedp.UserDataDir(filepath.Join(p.dir, "chromium")), chromedp.NoSandbox, chromedp.DisableGPU)...)
	defer closeBrowser()
	tab, closeTab := chromedp.NewContext(ctx)
	defer closeTab()
	if err := chromedp.Do(tab); err != nil {
		return fmt.Errorf("start chromium: %w", err)
	}
	p.step("start of the browser")
	if err := shows(tab, console, `document.querySelectorAll("[role=option]").length > 0`); err != nil {
		return err
	}
	p.step("the console shows records")
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, page)
	}))
	defer web.Close()
	if err := shows(tab, web.URL, `document.querySelectorAll("#prices > li").length > 0`); err != nil {
		return err
	}
	p.step("the own page shows records")
	fmt.Printf("%-32s %7.1f s\n", "together", p.total.Seconds())
	return nil
}

func (p *path) clone() string { return filepath.Join(p.dir, "sluice") }

// step prints how long a step has taken.
func (p *path) step(what string) {
	took := time.Since(p.began)
	p.total += took
	fmt.Printf("%-32s %7.1f s\n", what, took.Seconds())
	p.began = time.Now()
}

// makeRun runs make run with empty caches, until it is ready.
func (p *path) makeRun(ctx context.Context) (stop func(), err error) {
	cmd := exec.CommandContext(ctx, "make", "run")
	cmd.Dir = p.clone()
	cmd.Env = append(os.Environ(), "GOMODCACHE="+filepath.Join(p.dir, "modules"), "GOCACHE="+filepath.Join(p.dir, "built"), "GOFLAGS=-modcacherw")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return nil, fmt.Errorf("make run: %w", err)
	}
	stop = func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGINT)
		_ = cmd.Wait()
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if strings.Contains(lines.Text(), ready) {
			go func() { _, _ = io.Copy(io.Discard, out) }()
			return stop, nil
		}
	}
	stop()
	return nil, errors.New("make run has ended: see above for why; port 8080 must be free")
}

// page returns the page in README.md.
func (p *path) page() (string, error) {
	text, err := os.ReadFile(filepath.Join(p.clone(), "README.md"))
	if err != nil {
		return "", fmt.Errorf("read: %w", err)
	}
	_, after, found := strings.Cut(string(text), "```html\n")
	page, _, ended := strings.Cut(after, "```\n")
	if !found || !ended {
		return "", errors.New("README.md has no page")
	}
	return page, nil
}

// shows opens an address and waits until an expression is true in the page.
func shows(tab context.Context, address, expression string) error {
	if err := chromedp.Do(tab, chromedp.Navigate(address)); err != nil {
		return fmt.Errorf("open %s: %w", address, err)
	}
	for {
		is, err := chromedp.Run(tab, chromedp.Evaluate[bool](expression))
		if err != nil {
			return fmt.Errorf("wait for %s: %w", address, err)
		}
		if is {
			return nil
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func (p *path) clean() error {
	if err := os.RemoveAll(p.dir); err != nil {
		return fmt.Errorf("remove %s: %w", p.dir, err)
	}
	return nil
}
