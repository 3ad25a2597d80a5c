package e2e_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"sluice/bench/check"
	"sluice/bench/clients"
	"sluice/bench/stack"
)

// page is a page that only listens, with the browser's own EventSource, which
// reconnects by itself.
const page = `<!doctype html><title>listening</title><script>
const got = [], ends = new Set();
let opens = 0;
const source = new EventSource(%q);
source.onopen = () => opens++;
source.onmessage = event => {
  const r = JSON.parse(event.data);
  got.push({connection: opens, partition: r.partition, offset: r.offset, key: r.key, value: JSON.stringify(r.data), id: event.lastEventId});
  if (r.key === %q) ends.add(r.partition);
};
</script>`

// TestBrowserSurvivesRestarts is about promises 1 to 3 with a real EventSource,
// whose server drains once and is killed once.
func TestBrowserSurvivesRestarts(t *testing.T) {
	t.Parallel()
	const partitions = 3
	servers(t)
	stack.Check(t, stack.Install(t.Context(), "chromium"))
	work := writers{topic: "browser", span: 12 * time.Second, perCodec: 400, kcat: 0, committed: 200, aborted: 200}
	topic(t, work.topic, partitions)

	var address string
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprintf(w, page, address, clients.EndKey)
	}))
	defer web.Close()
	i := sluice(t, setup{
		streams: map[string]string{"public.browser": work.topic},
		more:    fmt.Sprintf("origins: [%q]\n", web.URL),
	})
	address = "http://" + i.addr + "/v1/streams/public.browser/events?from=earliest"

	ctx := within(t, 2*time.Minute)
	tab := openBrowser(ctx, t)
	if err := chromedp.Do(tab, chromedp.Navigate(web.URL)); err != nil {
		t.Fatal(err)
	}
	var restarts sync.WaitGroup
	connected := func() error { return sampled(ctx, i, `sluice_sessions{protocol="sse"} 1`) }
	restarts.Go(func() {
		eventually(ctx, t, "the page is connected", connected)
		pause(ctx, 2*time.Second)
		if err := i.Stop(); err != nil { // drains
			t.Error(err)
		}
		if err := i.Start(ctx); err != nil {
			t.Error(err)
		}
		eventually(ctx, t, "the page is connected again", connected)
		pause(ctx, 2*time.Second)
		if err := i.Restart(ctx); err != nil { // kill -9
			t.Error(err)
		}
	})
	if err := work.run(ctx, t); err != nil {
		t.Fatal(err)
	}
	restarts.Wait()
	writeEnds(ctx, t, work.topic, partitions)
	contents := readLog(ctx, t, work.topic, partitions)

	for {
		ended, err := chromedp.Run(tab, chromedp.Evaluate[int]("ends.size"))
		if err != nil {
			t.Fatal(err)
		}
		if ended == partitions || !pause(ctx, 200*time.Millisecond) {
			break
		}
	}
	type received struct {
		Connection int    `json:"connection"`
		Partition  int32  `json:"partition"`
		Offset     int64  `json:"offset"`
		Key        string `json:"key"`
		Value      string `json:"value"`
		ID         string `json:"id"`
	}
	got, err := chromedp.Run(tab, chromedp.Evaluate[[]received]("got"))
	if err != nil {
		t.Fatal(err)
	}
	opens, err := chromedp.Run(tab, chromedp.Evaluate[int]("opens"))
	if err != nil {
		t.Fatal(err)
	}
	if opens < 3 {
		t.Errorf("the page was connected %d times, want 3 or more", opens)
	}

	// A named event can have set a later id than the last record's, which the page
	// does not see: it resumes between the two.
	journal := &check.Journal{Subscriber: "the page"}
	at, saved := make(check.Position, partitions), make(check.Position, partitions)
	var conn *check.Connection
	connection, id := -1, ""
	for _, r := range got {
		if r.Connection != connection {
			conn, connection = journal.Connect("", saved, at), r.Connection
		}
		conn.Receive(r.Partition, check.Entry{Offset: r.Offset, Sum: check.Sum([]byte(r.Key), []byte(r.Value))}, time.Time{})
		at[r.Partition] = r.Offset + 1
		if r.ID != id {
			id = r.ID
			copy(saved, at)
		}
	}
	report := check.Subscribers(contents.Log, []*check.Journal{journal})
	t.Log(report)
	if err := report.Err(); err != nil {
		t.Error(err)
	}
}

// openBrowser starts a Chromium for the test, which is stopped at the end of the
// test.
func openBrowser(ctx context.Context, t *testing.T) context.Context {
	t.Helper()
	ctx, stop := chromedp.NewExecAllocator(ctx,
		chromedp.ExecPath("chromium"),
		chromedp.UserDataDir(t.TempDir()),
		chromedp.Headless, chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun,
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-sync", true),
	)
	tab, stopTab := chromedp.NewContext(ctx)
	t.Cleanup(func() {
		stopTab()
		stop()
	})
	// The first action starts the browser, which lives as long as its context.
	if err := chromedp.Do(tab); err != nil {
		t.Fatalf("start chromium: %v", err)
	}
	return tab
}
