package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/systeminfo"
	"github.com/chromedp/chromedp"
)

// page is a page in a Chromium without a window.
type page struct {
	ctx   context.Context
	close func()
}

// taken is what was measured of a client that took all events.
type taken struct {
	PerSecond float64   `json:"per_second"`
	Heap      []float64 `json:"heap"`
	Late      int       `json:"late"` // events that came after a later one
}

func open(ctx context.Context, url string) (*page, error) {
	program, err := exec.LookPath("chromium")
	if err != nil {
		return nil, fmt.Errorf("find Chromium: %w", err)
	}
	dir, err := os.MkdirTemp("", "page")
	if err != nil {
		return nil, fmt.Errorf("make a folder: %w", err)
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(program), chromedp.UserDataDir(dir), chromedp.NoSandbox,
		chromedp.Flag("js-flags", "--expose-gc"), chromedp.Flag("enable-precise-memory-info", true))
	for _, flag := range []string{"disable-gpu", "no-first-run", "disable-background-networking", "disable-component-update", "disable-sync"} {
		options = append(options, chromedp.Flag(flag, true))
	}
	ctx, stop := chromedp.NewExecAllocator(ctx, options...)
	ctx, closeTab := chromedp.NewContext(ctx)
	p := &page{ctx: ctx, close: func() {
		closeTab()
		stop()
		_ = os.RemoveAll(dir)
	}}
	const modules = `(async () => { window.modules = { sluice: await import("/sluice.js"), centrifuge: await import("/centrifuge.js") };
		window.clients = await import("/clients.js"); return true; })()`
	if err := chromedp.Do(ctx, chromedp.Navigate(url+"/")); err != nil {
		p.close()
		return nil, fmt.Errorf("open the page: %w", err)
	}
	if _, err := evaluate[bool](p, modules); err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

// evaluate returns what a promise in the page resolves to.
func evaluate[T any](p *page, script string, args ...any) (T, error) {
	value, err := chromedp.Run(p.ctx, chromedp.Evaluate[T](fmt.Sprintf(script, args...), chromedp.EvalAwaitPromise))
	if err != nil {
		return value, fmt.Errorf("run in the page: %w", err)
	}
	return value, nil
}

// first measures the time to the first event so many times, and returns the median.
func (p *page) first(client, times int) (time.Duration, error) {
	var all []time.Duration
	for range times {
		ms, err := evaluate[float64](p, `clients.first(modules, %d, location.origin + "/")`, client)
		if err != nil {
			return 0, err
		}
		all = append(all, time.Duration(ms*float64(time.Millisecond)))
	}
	return median(all), nil
}

// atRate returns the processor time of the page's process for an event.
func (p *page) atRate(s *source, client int, o options) (time.Duration, error) {
	total := o.rate * int(o.lasting/time.Second)
	s.begin(total, total, o.rate)
	before, err := p.cpu()
	if err != nil {
		return 0, err
	}
	if _, err := evaluate[int](p, `clients.takes(modules, %d, location.origin + "/", %d, %d, () => {})`, client, total, total); err != nil {
		return 0, err
	}
	after, err := p.cpu()
	return time.Duration((after - before) / float64(total) * float64(time.Second)), err
}

// cpu returns the seconds of processor time that pages have used.
func (p *page) cpu() (seconds float64, err error) {
	info, err := chromedp.CallBrowser(p.ctx, systeminfo.GetProcessInfo, cdp.Empty{})
	if err != nil {
		return 0, fmt.Errorf("ask for processor time: %w", err)
	}
	for _, process := range info.ProcessInfo {
		if process.Type == "renderer" {
			seconds += process.CPUTime
		}
	}
	return seconds, nil
}

// whole has a client take all events.
func (p *page) whole(s *source, client int) (taken, error) {
	return evaluate[taken](p, `clients.whole(modules, %d, location.origin + "/", %d, %d, () => { gc(); return performance.memory.usedJSHeapSize; })`, client, s.total, s.step)
}

func median[T time.Duration | float64](all []T) T {
	slices.Sort(all)
	return all[len(all)/2]
}
