// Command picture makes the pictures in README.md and the documents: it runs `sluice dev`,
// opens pages of it in a headless Chromium, waits until each shows what it is for, and saves
// screenshots in a folder.
//
//	go run ./bench/picture web/docs
//	go run ./bench/picture web/docs console-health
//
// With -url it takes a picture of any page, into a file, -width and -height set the size,
// -dark selects dark colors, and -full includes the whole page. As root on Debian it installs
// Chromium.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"sluice/bench/stack"
)

// within bounds the time of a run, including the build of the server.
const within = 15 * time.Minute

// shown is the address that the picture shows, whatever the server's real address.
const shown = "127.0.0.1:8080"

type shot struct {
	url, file     string
	only          []string // names of pictures, all if empty
	maps          string   // rules for Chromium's host resolver
	width, height int
	dark, full    bool
}

func main() {
	var s shot
	flag.StringVar(&s.url, "url", "", "the page, instead of the console of a server of its own")
	flag.IntVar(&s.width, "width", 1280, "width of the window, in pixels")
	flag.IntVar(&s.height, "height", 800, "height of the window, in pixels")
	flag.BoolVar(&s.dark, "dark", false, "in dark colours")
	flag.BoolVar(&s.full, "full", false, "the page to its end")
	flag.Parse()
	s.file = flag.Arg(0)
	if flag.NArg() > 1 {
		s.only = flag.Args()[1:]
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, s); err != nil {
		fmt.Fprintln(os.Stderr, "picture:", err)
		os.Exit(1) //nolint:gocritic // nothing is left to be stopped
	}
}

func run(ctx context.Context, s shot) (err error) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	if s.file == "" {
		return errors.New("say which folder the pictures go to, or, with -url, which file")
	}
	if err := stack.Install(ctx, "chromium"); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "picture")
	if err != nil {
		return fmt.Errorf("make a folder: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if s.url != "" {
		return s.take(ctx, dir, picture{ready: `document.readyState === "complete"`})
	}
	address, stop, err := stack.StartDev(ctx, dir)
	if err != nil {
		return err //nolint:wrapcheck // it says what it was about
	}
	defer stop()
	for _, p := range pictures {
		if len(s.only) > 0 && !slices.Contains(s.only, p.name) {
			continue
		}
		one := shot{
			url: "http://" + shown + p.path, maps: "MAP " + shown + " " + address, file: filepath.Join(s.file, p.name+".png"),
			width: cmp.Or(p.width, 1280), height: cmp.Or(p.height, 800), dark: p.dark,
		}
		if err := one.take(ctx, dir, p); err != nil {
			return err
		}
	}
	return nil
}

// take opens the page, does in it what the picture wants, and saves a screenshot once it is
// ready.
func (s shot) take(ctx context.Context, dir string, p picture) error {
	ctx, stop := chromedp.NewExecAllocator(ctx, append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath("chromium"), chromedp.UserDataDir(filepath.Join(dir, "chromium")), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("hide-scrollbars", true), chromedp.Flag("host-resolver-rules", s.maps),
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true),
	)...)
	defer stop()
	tab, closeTab := chromedp.NewContext(ctx)
	defer closeTab()
	scheme := "light"
	if s.dark {
		scheme = "dark"
	}
	err := chromedp.Do(tab, chromedp.EmulateViewport(int64(s.width), int64(s.height)), prefer(scheme), chromedp.Navigate(s.url))
	if err != nil {
		return fmt.Errorf("open %s: %w", s.url, err)
	}
	for _, step := range append(slices.Clone(p.steps), p.ready) {
		if err := until(tab, step); err != nil {
			return fmt.Errorf("look at %s: %w", s.url, err)
		}
	}
	capture := chromedp.CaptureScreenshot()
	if s.full {
		capture = chromedp.FullScreenshot(100)
	}
	png, err := chromedp.Run(tab, capture)
	if err != nil {
		return fmt.Errorf("take the picture: %w", err)
	}
	if err := os.WriteFile(s.file, png, 0o644); err != nil {
		return fmt.Errorf("keep the picture: %w", err)
	}
	return nil
}

// until waits until an expression is true in a page.
func until(tab context.Context, expression string) error {
	for {
		is, err := chromedp.Run(tab, chromedp.Evaluate[bool](expression))
		if err != nil {
			return fmt.Errorf("evaluate %s: %w", expression, err)
		}
		if is {
			return nil
		}
		time.Sleep(200 * time.Millisecond)
	}
}

// prefer sets the color scheme that pages see as preferred: light or dark.
func prefer(scheme string) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
		})
		return err
	})
}
