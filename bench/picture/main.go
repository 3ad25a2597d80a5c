// Command picture makes the picture of the console in README.md: it runs `sluice
// dev`, opens its console in a headless Chromium, waits until records arrive, and
// saves a screenshot.
//
//	go run ./bench/picture web/docs/console.png
//
// With -url it takes a picture of any page, -width and -height set the size, -dark
// selects dark colors, and -full includes the whole page. As root on Debian it
// installs Chromium.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"sluice/bench/stack"
)

// within bounds the time of a run, including the build of the server.
const within = 5 * time.Minute

// shown is the address that the picture shows, whatever the server's real address.
const shown = "127.0.0.1:8080"

// isAlive is true once the console shows a stream that has been live for most of a
// minute, so that the chart is full.
const isAlive = `document.getElementById("state").dataset.state === "live" &&
	document.querySelectorAll(".row").length > 10 &&
	[...document.querySelectorAll(".chart rect")].filter((bar) => bar.getAttribute("height") > 0).length > 50`

type shot struct {
	url, file     string
	maps          string // rules for Chromium's host resolver
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
		return errors.New("say which file the picture goes to")
	}
	if err := stack.Install(ctx, "chromium"); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "picture")
	if err != nil {
		return fmt.Errorf("make a folder: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if s.url == "" {
		address, stop, err := stack.StartDev(ctx, dir)
		if err != nil {
			return err
		}
		defer stop()
		s.url, s.maps = "http://"+shown+"/#live?stream=market.ticks&from=-1m", "MAP "+shown+" "+address
		return s.take(ctx, dir, isAlive)
	}
	return s.take(ctx, dir, `document.readyState === "complete"`)
}

// take opens the page and saves a screenshot once an expression is true in it.
func (s shot) take(ctx context.Context, dir, ready string) error {
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
	for {
		ok, err := chromedp.Run(tab, chromedp.Evaluate[bool](ready))
		if err != nil {
			return fmt.Errorf("look at %s: %w", s.url, err)
		}
		if ok {
			break
		}
		time.Sleep(200 * time.Millisecond)
	}
	picture := chromedp.CaptureScreenshot()
	if s.full {
		picture = chromedp.FullScreenshot(100)
	}
	png, err := chromedp.Run(tab, picture)
	if err != nil {
		return fmt.Errorf("take the picture: %w", err)
	}
	if err := os.WriteFile(s.file, png, 0o644); err != nil {
		return fmt.Errorf("keep the picture: %w", err)
	}
	return nil
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
