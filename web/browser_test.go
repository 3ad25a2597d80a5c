package web_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"sluice/web"
)

// fake is a server with two streams; an event of the first arrives every 20 ms.
type fake struct {
	t *testing.T

	mu        sync.Mutex
	published []string
	resumed   []string // last event ids of reconnecting clients
	ended     chan struct{}
	refuse    bool
	void      string // what a request with an id is answered with, once
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.URL.Path == "/v1/streams":
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"streams":[{"stream":"market.ticks","partitions":6,"content":"json","publish":false},`+
			`{"stream":"chat.lobby","partitions":1,"content":"json","publish":true},`+
			`{"stream":"flights.positions","partitions":3,"publish":false},{"stream":"iot.telemetry","partitions":6,"publish":true},`+
			`{"stream":"shop.orders","partitions":3,"publish":false},{"stream":"wiki.edits","partitions":3,"publish":false}]}`)
	case strings.HasSuffix(r.URL.Path, "/events"):
		f.events(w, r)
	case r.Method == http.MethodPost:
		body, _ := io.ReadAll(r.Body)
		f.mu.Lock()
		f.published = append(f.published, string(body))
		f.mu.Unlock()
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"partition":0,"offset":41,"ts":1}`)
	default:
		web.Handler().ServeHTTP(w, r)
	}
}

func (f *fake) events(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	last := r.Header.Get("Last-Event-ID")
	if last == "" {
		last = r.URL.Query().Get("last_event_id")
	}
	f.resumed = append(f.resumed, last)
	ended, refuse, void := f.ended, f.refuse, f.void
	if last != "" || strings.HasPrefix(r.URL.Query().Get("from"), "v1.") {
		f.void = ""
	} else {
		void = ""
	}
	f.mu.Unlock()
	if refuse {
		// A proxy's response while there is no server behind it.
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	if void != "" {
		_, _ = fmt.Fprintf(w, "event: sluice.close\nid\ndata: %s\n\n", void)
		return
	}
	say := func(format string, args ...any) {
		_, _ = fmt.Fprintf(w, format+"\n\n", args...)
		w.(http.Flusher).Flush()
	}
	offset, _ := strconv.Atoi(strings.TrimPrefix(last, "v1."))
	say("retry: 100\nevent: sluice.ready\nid: v1.%d\ndata: {}", offset)
	stream := strings.Split(r.URL.Path, "/")[3]
	if stream == "chat.lobby" {
		say("event: sluice.caught_up\nid: v1.0\ndata: {}")
		<-ended
		return
	}
	if last == "" {
		say("event: sluice.gap\nid: v1.1\ndata: " + `{"type":"gap","stream":"market.ticks","partition":1,"from":0,"to":12,"reason":"retention"}`)
	}
	symbols := []string{"NORD", "ALPN", "BRCK", "HAFN", "LUMO", "QUEL"}
	for i := 0; ; i++ {
		offset++
		p := offset * 7 % 6
		say(`data: {"type":"event","stream":%q,"partition":%d,"offset":%d,"ts":%d,"key":%q,"headers":[["source","demo"]],"data":{"symbol":%q,"price":%d.%02d,"seq":90071992547409931,"bid":[100,101.5],"halted":false,"note":null}}`+"\nid: v1.%d",
			stream, p, offset, time.Now().UnixMilli(), symbols[p], symbols[p], 90+offset%20, offset%100, offset)
		if i == 30 {
			say("event: sluice.caught_up\nid: v1.%d\ndata: {}", offset)
		}
		select {
		case <-ended:
			return
		case <-r.Context().Done():
			return
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// start serves on an address; stop ends the server and all its streams.
func (f *fake) start(address string) (string, func()) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		f.t.Fatal(err)
	}
	f.mu.Lock()
	f.ended = make(chan struct{})
	ended := f.ended
	f.mu.Unlock()
	server := &http.Server{Handler: f}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(l)
	}()
	return l.Addr().String(), sync.OnceFunc(func() {
		close(ended)
		_ = server.Close()
		<-done
	})
}

// browser starts a Chromium without a window.
func browser(t *testing.T) context.Context {
	t.Helper()
	program, err := exec.LookPath("chromium")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("Debian's package chromium is needed")
		}
		t.Skip("Debian's package chromium is not installed, so no browser shows the page")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(program), chromedp.UserDataDir(t.TempDir()), chromedp.NoSandbox, chromedp.WindowSize(1280, 860))
	for _, flag := range []string{"disable-gpu", "disable-quic", "no-first-run", "disable-background-networking", "disable-component-update", "disable-sync"} {
		options = append(options, chromedp.Flag(flag, true))
	}
	ctx, stopBrowser := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(stopBrowser)
	ctx, closeTab := chromedp.NewContext(ctx)
	t.Cleanup(closeTab)
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// until waits until an expression is true in the page.
func until(ctx context.Context, t *testing.T, expression string) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for {
		got, err := chromedp.Run(ctx, chromedp.Evaluate[bool](expression))
		if err == nil && got {
			return
		}
		if time.Now().After(deadline) {
			text, _ := chromedp.Run(ctx, chromedp.Evaluate[string]("document.body.innerText"))
			t.Fatalf("never came true: %s (%v)\n%s", expression, err, text)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// run evaluates an expression for its side effects.
func run(ctx context.Context, t *testing.T, expression string) {
	t.Helper()
	if _, err := chromedp.Run(ctx, chromedp.Evaluate[bool]("(()=>{"+expression+"})(), true")); err != nil {
		t.Fatalf("%s: %v", expression, err)
	}
}

// picture saves a screenshot if SLUICE_SCREENSHOTS names a directory.
func picture(ctx context.Context, t *testing.T, name string) {
	t.Helper()
	dir := os.Getenv("SLUICE_SCREENSHOTS")
	if dir == "" {
		return
	}
	png, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, name+".png"), png, 0o600)
	}
	if err != nil {
		t.Error(err)
	}
}

const stateIs = `document.getElementById("state").dataset.state === `

func TestInABrowser(t *testing.T) {
	t.Parallel()
	ctx := browser(t)
	f := &fake{t: t}
	address, stop := f.start("127.0.0.1:0")
	defer func() { stop() }()

	var mu sync.Mutex
	var faults []string
	err := chromedp.Listen(ctx, func(event any) {
		if thrown, ok := event.(*runtime.EventExceptionThrown); ok {
			mu.Lock()
			defer mu.Unlock()
			faults = append(faults, fmt.Sprintf("%s:%d: %s %+v", thrown.ExceptionDetails.URL, thrown.ExceptionDetails.LineNumber,
				thrown.ExceptionDetails.Text, thrown.ExceptionDetails.Exception))
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := chromedp.Do(ctx, chromedp.Navigate("http://"+address+"/#stream=market.ticks&from=latest")); err != nil {
		t.Fatal(err)
	}

	// Events arrive, digits are shown as sent, and the gap is counted.
	until(ctx, t, stateIs+`"live"`)
	until(ctx, t, `document.querySelectorAll(".row").length > 20`)
	until(ctx, t, `document.getElementById("detail").textContent.includes('"seq": 90071992547409931')`)
	until(ctx, t, `document.getElementById("gaps").textContent === "1" && document.getElementById("partitions").textContent === "6"`)
	until(ctx, t, `parseFloat(document.getElementById("rate").textContent) > 10`)
	picture(ctx, t, "live")

	// A pause freezes the page, but counting continues.
	run(ctx, t, `document.getElementById("pause").click()`)
	first := `document.querySelector(".row").id`
	before, err := chromedp.Run(ctx, chromedp.Evaluate[string](first))
	if err != nil {
		t.Fatal(err)
	}
	until(ctx, t, `/[1-9]\d* new/.test(document.getElementById("pause").textContent)`)
	until(ctx, t, first+" === "+strconv.Quote(before))
	run(ctx, t, `document.getElementById("pause").click()`)
	until(ctx, t, first+" !== "+strconv.Quote(before))

	// The arrow keys select an event, and following deselects it.
	run(ctx, t, `document.getElementById("events").focus()`)
	if err := chromedp.Do(ctx, chromedp.KeyEvent("\u0301")); err != nil { // ArrowDown
		t.Fatal(err)
	}
	until(ctx, t, `document.querySelector(".row[aria-selected=true]") !== null && document.getElementById("detail-title").textContent === "Chosen event"`)
	run(ctx, t, `document.getElementById("follow").click()`)
	until(ctx, t, `document.querySelector(".row[aria-selected=true]") === null`)

	// A restart of the server, with a proxy's error in between.
	stop()
	until(ctx, t, stateIs+`"working"`)
	f.mu.Lock()
	f.refuse = true
	f.mu.Unlock()
	_, stop = f.start(address)
	refused := time.Now()
	for len(f.seen()) < 3 && time.Since(refused) < 15*time.Second {
		time.Sleep(50 * time.Millisecond)
	}
	f.mu.Lock()
	f.refuse = false
	f.mu.Unlock()
	until(ctx, t, stateIs+`"live"`)
	for _, last := range f.seen()[1:] {
		if !strings.HasPrefix(last, "v1.") {
			t.Errorf("came back with the id %q", last)
		}
	}

	// A position that is void: the page begins again without it, and says so.
	before = fmt.Sprint(len(f.seen()))
	f.mu.Lock()
	f.void = `{"type":"closing","code":"cursor_lost","action":"resync","retry_after_ms":10}`
	f.mu.Unlock()
	stop()
	_, stop = f.start(address)
	until(ctx, t, stateIs+`"live" && document.getElementById("empty").textContent !== "" && document.getElementById("gaps").textContent === "2"`)
	if seen := f.seen(); fmt.Sprint(len(seen)-2) != before || !strings.HasPrefix(seen[len(seen)-2], "v1.") || seen[len(seen)-1] != "" {
		t.Errorf("came back with the ids %q, of which %s are from before", seen, before)
	}
	// Nothing is left to leave out if the start itself is void.
	f.mu.Lock()
	f.void = `{"type":"closing","code":"bad_cursor","action":"resync"}`
	f.mu.Unlock()
	run(ctx, t, `document.getElementById("from").append(new Option("x", "v1.damaged")); document.getElementById("from").value = "v1.damaged";
		document.getElementById("reading").requestSubmit()`)
	until(ctx, t, stateIs+`"failed" && document.getElementById("empty").textContent.includes("bad_cursor")`)

	// Publishing keeps the digits as typed.
	run(ctx, t, `location.hash = "#publish?stream=chat.lobby"`)
	until(ctx, t, `document.getElementById("publish-stream")?.value === "chat.lobby"`)
	until(ctx, t, `[...document.getElementById("publish-stream").options].every((o) => o.value !== "market.ticks")`)
	run(ctx, t, `document.getElementById("publish-key").value = "k";
		document.getElementById("publish-data").value = '{"n": 90071992547409931}';
		document.getElementById("publish").requestSubmit()`)
	until(ctx, t, `document.getElementById("publish-result").textContent.includes("offset 41")`)
	picture(ctx, t, "publish")
	f.mu.Lock()
	if got := strings.Join(f.published, " "); got != `{"key":"k","data":{"n": 90071992547409931}}` {
		t.Errorf("published %s", got)
	}
	f.mu.Unlock()

	// On a phone nothing is wider than the page, in the other color scheme.
	run(ctx, t, `document.getElementById("theme").click(); location.hash = "#live?stream=market.ticks"`)
	until(ctx, t, `document.querySelectorAll(".row").length > 20`)
	until(ctx, t, `getComputedStyle(document.documentElement).colorScheme === "dark"`)
	picture(ctx, t, "dark")
	if err := chromedp.Do(ctx, chromedp.EmulateViewport(390, 844)); err != nil {
		t.Fatal(err)
	}
	until(ctx, t, `document.documentElement.scrollWidth <= 390`)
	picture(ctx, t, "phone")

	mu.Lock()
	defer mu.Unlock()
	if len(faults) > 0 {
		t.Error(errors.New(strings.Join(faults, "\n")))
	}
}

func (f *fake) seen() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]string(nil), f.resumed...)
}

// Documents must fit a phone, keep the color scheme chosen on the console, and load
// nothing that their policy forbids.
func TestDocumentsInABrowser(t *testing.T) {
	t.Parallel()
	ctx := browser(t)
	f := &fake{t: t}
	address, stop := f.start("127.0.0.1:0")
	defer stop()
	open := func(path string) {
		if err := chromedp.Do(ctx, chromedp.Navigate("http://"+address+path)); err != nil {
			t.Fatal(err)
		}
	}
	open("/docs")
	until(ctx, t, `location.pathname === "/docs/" && document.styleSheets.length === 2`)
	run(ctx, t, `document.getElementById("theme").click()`)
	until(ctx, t, `getComputedStyle(document.documentElement).colorScheme === "dark"`)
	run(ctx, t, `document.querySelector(".links a").click()`)
	until(ctx, t, `location.pathname === "/" && getComputedStyle(document.documentElement).colorScheme === "dark"`)
	run(ctx, t, `document.querySelector(".links > a").click()`)
	until(ctx, t, `location.pathname === "/docs/"`)
	if err := chromedp.Do(ctx, chromedp.EmulateViewport(390, 844)); err != nil {
		t.Fatal(err)
	}
	for name := range documentFiles(t) {
		open(pathOf(name))
		until(ctx, t, `getComputedStyle(document.documentElement).colorScheme === "dark"`)
		// Wider content, such as tables and code, scrolls by itself.
		until(ctx, t, `document.documentElement.scrollWidth <= 390`)
		until(ctx, t, `document.querySelectorAll("main h1").length === 1 && document.querySelectorAll("[style]").length === 0`)
		until(ctx, t, `performance.getEntriesByType("resource").every((r) => r.responseStatus === 200)`)
	}
	open("/docs/PROTOCOL#renewal")
	until(ctx, t, `Math.abs(document.getElementById("renewal").getBoundingClientRect().top) < 40`)
}
