package main

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/performance"
	"github.com/chromedp/chromedp"
)

// TestConsoleLiveLoad measures how much of the time the page's main thread is at work while the
// view Live shows a stream. The limit is generous, as the machine may be slow and busy.
func TestConsoleLiveLoad(t *testing.T) {
	if testing.Short() {
		t.Skip("it measures for ten seconds")
	}
	for _, c := range []struct {
		rate int
		most float64 // of real time
	}{{1000, 0.6}, {5000, 0.9}} {
		t.Run(fmt.Sprintf("%d records a second", c.rate), func(t *testing.T) {
			address := startDevWith(t, devFlags{rates: map[string]string{"market.ticks": fmt.Sprint(c.rate)}, history: time.Second})
			ctx := startChromium(t, program(t, "chromium"))
			if err := chromedp.Do(ctx, chromedp.Navigate("http://"+address+"/#stream=market.ticks&from=latest")); err != nil {
				t.Fatal(err)
			}
			waitFor(ctx, t, `document.getElementById("state").dataset.state === "live" && document.querySelectorAll(".row").length > 10`)
			if _, err := chromedp.Call(ctx, performance.Enable, performance.EnableParams{TimeDomain: "threadTicks"}); err != nil {
				t.Fatal(err)
			}
			received := func() int {
				n, err := chromedp.Run(ctx, chromedp.Evaluate[int](`Number(document.querySelector(".received").textContent.replace(/\D/g, ""))`))
				if err != nil {
					t.Fatal(err)
				}
				return n
			}
			had, before, began := received(), seconds(ctx, t), time.Now()
			// A machine that has other things to do may be slow, but something must have come.
			const least = 10 * time.Second
			for came := 0; came < c.rate || time.Since(began) < least; came = received() - had {
				if time.Since(began) > soon {
					t.Fatalf("only %d records came", came)
				}
				time.Sleep(least / 10) // the time that passes is what is measured
			}
			took := time.Since(began)
			after := seconds(ctx, t)
			share := func(name string) float64 { return (after[name] - before[name]) / took.Seconds() }
			busy := share("TaskDuration")
			rate, _ := chromedp.Run(ctx, chromedp.Evaluate[string](`(document.querySelector(".rate") ?? document.getElementById("rate")).textContent`))
			t.Logf("the main thread is at work for %.1f %% of the time (scripts %.1f %%, styles %.1f %%, layout %.1f %%), at %s records a second",
				100*busy, 100*share("ScriptDuration"), 100*share("RecalcStyleDuration"), 100*share("LayoutDuration"), rate)
			if busy > c.most {
				t.Errorf("that is more than %.0f %%", 100*c.most)
			}
		})
	}
}

// seconds is how long the page's main thread has been at work so far, by kind of work: its time
// on a processor, so that other processes on a busy machine do not count.
func seconds(ctx context.Context, t *testing.T) map[string]float64 {
	t.Helper()
	got, err := chromedp.Call(ctx, performance.GetMetrics, cdp.Empty{})
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]float64{}
	for _, m := range got.Metrics {
		all[m.Name] = m.Value
	}
	if all["TaskDuration"] == 0 {
		t.Fatal("the browser has no TaskDuration")
	}
	return all
}

// waitFor waits until an expression is true in a page.
func waitFor(ctx context.Context, t *testing.T, expression string) {
	t.Helper()
	for deadline := time.Now().Add(soon); ; time.Sleep(50 * time.Millisecond) {
		is, err := chromedp.Run(ctx, chromedp.Evaluate[bool](expression))
		if err == nil && is {
			return
		}
		if time.Now().After(deadline) {
			text, _ := chromedp.Run(ctx, chromedp.Evaluate[string]("document.body.innerText"))
			t.Fatalf("never came true: %s (%v)\n%.3000s", expression, err, text)
		}
	}
}
