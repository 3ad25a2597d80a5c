package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// openLive shows the view Live of a server of dev.
func openLive(t *testing.T, hash string, rates map[string]string) (ctx context.Context, address string) {
	t.Helper()
	address = startDevWith(t, devFlags{rates: rates})
	ctx = startChromium(t, program(t, "chromium"))
	if err := chromedp.Do(ctx, chromedp.Navigate("http://"+address+"/"+hash)); err != nil {
		t.Fatal(err)
	}
	return ctx, address
}

func evaluated(ctx context.Context, t *testing.T, expression string) string {
	t.Helper()
	got, err := chromedp.Run(ctx, chromedp.Evaluate[string](expression))
	if err != nil {
		t.Fatalf("%s: %v", expression, err)
	}
	return got
}

func do(ctx context.Context, t *testing.T, statements string) {
	t.Helper()
	if _, err := chromedp.Run(ctx, chromedp.Evaluate[bool]("(() => {"+statements+"})(), true")); err != nil {
		t.Fatalf("%s: %v", statements, err)
	}
}

// walkBack goes to the end of the list, page by page and as far back as there are records, and leaves
// in seen what each row says, by its id. A list draws its rows in the frame after it was scrolled: on a
// slow machine that is later than any time.
const walkBack = `
	window.seen = new Map();
	window.walked = false;
	document.querySelector(".older").click();
	(async () => {
		const events = document.querySelector(".events"), held = document.querySelector(".held");
		for (;;) {
			await new Promise(requestAnimationFrame);
			for (const row of document.querySelectorAll(".row")) seen.set(Number(row.dataset.id), row.children[1].textContent + (row.matches(".gap") ? " " + row.children[2].textContent : ""));
			const last = document.querySelector(".row[aria-posinset='" + document.querySelector(".row")?.getAttribute("aria-setsize") + "']");
			if (held.textContent === "These are the oldest records that Kafka keeps." && last && seen.has(Number(last.dataset.id)) && events.scrollHeight - events.scrollTop - events.clientHeight < 2) break;
			if (!held.textContent.startsWith("Loading")) events.scrollTop += events.clientHeight / 2;
		}
		walked = true;
	})();`

const isLive = `document.getElementById("state").dataset.state === "live"`

// Without a stream in the address, the console shows one that has records. A filter with a fault
// is refused in its place, and its text stays.
func TestConsoleLiveFilter(t *testing.T) {
	t.Parallel()
	ctx, _ := openLive(t, "", map[string]string{"flights.positions": "0"})
	waitFor(ctx, t, isLive+` && document.querySelectorAll(".row").length > 10`)

	do(ctx, t, `document.querySelector("[data-stream='market.ticks']").click()`)
	waitFor(ctx, t, isLive+` && document.querySelector(".stream-name").textContent === "market.ticks"`)
	do(ctx, t, `document.querySelector(".filter").value = "data.price >"; document.querySelector(".reading").requestSubmit()`)
	waitFor(ctx, t, `document.querySelector(".filter").getAttribute("aria-invalid") === "true" && document.querySelector(".filter").value === "data.price >"`)
	waitFor(ctx, t, `/^bad_filter: .*line 1, column \d+/.test(document.getElementById(document.querySelector(".filter").getAttribute("aria-describedby")).textContent)`)

	do(ctx, t, `document.querySelector(".filter").value = "partition == 3"; document.querySelector(".reading").requestSubmit()`)
	waitFor(ctx, t, isLive+` && !document.querySelector(".filter").hasAttribute("aria-invalid") && document.querySelector(".fault").hidden`)
	waitFor(ctx, t, `document.querySelectorAll(".row").length > 5 && [...document.querySelectorAll(".row")].every((row) => row.children[1].textContent.startsWith("3:"))`)
	waitFor(ctx, t, `location.hash.includes("filter=partition")`)
}

// What is older than the records that are loaded comes at the end of the list, in the order of
// time, down to the oldest that Kafka keeps. Its records have a cursor, from which reading goes on. The
// stream is not one that Kafka compacts meanwhile, which takes records out of the middle.
func TestConsoleLiveHistory(t *testing.T) {
	t.Parallel()
	for _, filter := range []string{"", "!data.bot"} {
		t.Run(filter, func(t *testing.T) {
			t.Parallel()
			ctx, address := openLive(t, "#live?stream=wiki.edits&from=last:5&filter="+filter, map[string]string{"wiki.edits": "2"})
			waitFor(ctx, t, isLive+` && document.querySelectorAll(".row").length >= 5`)
			do(ctx, t, `document.querySelector(".events").focus()`)
			do(ctx, t, walkBack)
			waitFor(ctx, t, `walked`)

			// Every record is there once, and those of a partition are in order.
			if fault := evaluated(ctx, t, `(() => {
				const next = {};
				for (const [id, place] of [...seen].sort(([a], [b]) => a - b)) {
					const [partition, offset] = place.split(/[: ]/).map(Number);
					if (offset <= next[partition] || (`+fmt.Sprint(filter == "")+` && offset !== (next[partition] ?? -1) + 1)) return place + " after " + next[partition];
					next[partition] = offset;
				}
				return Object.keys(next).length === 3 ? "" : "partitions " + Object.keys(next);
			})()`); fault != "" {
				t.Errorf("the records are not in order: %s", fault)
			}

			if err := chromedp.Do(ctx, chromedp.KeyEvent(kb.End)); err != nil {
				t.Fatal(err)
			}
			waitFor(ctx, t, `document.querySelector(".cursor").textContent.startsWith("v1.")`)
			oldest := evaluated(ctx, t, `document.querySelector(".row[aria-selected=true]").children[1].textContent`)
			cursor := evaluated(ctx, t, `document.querySelector(".cursor").textContent`)
			after := pageOf(t, address, "wiki.edits", cursor)
			if after[0] == oldest {
				t.Errorf("the record %s comes again at the cursor after it", oldest)
			}
			partition, offset, _ := strings.Cut(oldest, ":")
			var n int
			_, _ = fmt.Sscan(offset, &n)
			for _, place := range after {
				if strings.HasPrefix(place, partition+":") {
					if want := fmt.Sprintf("%s:%d", partition, n+1); place != want {
						t.Errorf("after %s the cursor has %s, want %s", oldest, place, want)
					}
					break
				}
			}
		})
	}
}

// Gaps of what is older are rows at their places, as those of what arrives are, and each is there once:
// also the one that what arrives has begun with.
func TestConsoleLiveHistoryHasGaps(t *testing.T) {
	t.Parallel()
	o := newOperations(t)
	o.produce(0, 20)
	o.write("not JSON", "nor this")
	o.produce(22, 60)
	o.write("the last of what is older")
	o.produce(61, 64)
	for _, filter := range []string{"", "int(data.n)%20%25%202%20==%201"} {
		for _, from := range []string{"last:2", "offset:0:60"} {
			o.open("#live?stream=orders&from="+from+"&filter="+filter, o.token("u42", "live"))
			o.until(isLive + ` && document.querySelectorAll(".row").length > 0`)
			o.do(walkBack)
			o.until(`walked`)
			var want []string
			for n := range 64 {
				switch {
				case n == 20, n == 21, n == 60:
					want = append(want, fmt.Sprintf("0:%d unreadable", n))
				case filter == "" || n%2 == 1:
					want = append(want, fmt.Sprintf("0:%d", n))
				}
			}
			got := evaluated(o.ctx, t, `[...seen].sort(([a], [b]) => a - b).map(([, place]) => place).join(",")`)
			if strings.Join(want, ",") != got {
				t.Errorf("from %s, with the filter %q:\n%s, want\n%s", from, filter, got, strings.Join(want, ","))
			}
		}
	}
}

// pageOf returns the places of the records of a page.
func pageOf(t *testing.T, address, stream, from string) (places []string) {
	t.Helper()
	answer := get(t.Context(), t, "http://"+address+"/v1/streams/"+stream+"/records?limit=50&from="+from)
	defer func() { _ = answer.Body.Close() }()
	var page struct {
		Records []struct{ Partition, Offset int }
	}
	if err := json.NewDecoder(answer.Body).Decode(&page); err != nil || answer.StatusCode != http.StatusOK || len(page.Records) == 0 {
		t.Fatalf("%s: %s, %v", from, answer.Status, err)
	}
	for _, r := range page.Records {
		places = append(places, fmt.Sprintf("%d:%d", r.Partition, r.Offset))
	}
	return places
}

// The programs that the drawer shows for a record read from this record on, with the filter: of a
// stream by offsets, and of a pattern by a cursor, also for a record from before the first cursor.
func TestConsoleLivePrograms(t *testing.T) {
	t.Parallel()
	for _, stream := range []string{"market.ticks", "*s"} {
		t.Run(stream, func(t *testing.T) {
			t.Parallel()
			ctx, _ := openLive(t, "#live?stream="+stream+"&from=last:50&filter=key%20!=%20%22it%27s%22", nil)
			waitFor(ctx, t, isLive+` && document.querySelectorAll(".row").length > 10`)
			do(ctx, t, `document.querySelectorAll(".row")[8].click()`)
			runPrograms(ctx, t)
			if stream == "*s" {
				do(ctx, t, `document.querySelector(".older").click()`)
				waitFor(ctx, t, `/^[\d,]+ rows$|^These are the oldest/.test(document.querySelector(".held").textContent)`)
				do(ctx, t, `document.querySelector(".events").focus()`)
				if err := chromedp.Do(ctx, chromedp.KeyEvent(kb.End)); err != nil {
					t.Fatal(err)
				}
				waitFor(ctx, t, `document.querySelector(".row[aria-selected=true]").getAttribute("aria-posinset") > 60`)
				runPrograms(ctx, t)
			}
		})
	}
}

// runPrograms runs the programs for the row that is chosen.
func runPrograms(ctx context.Context, t *testing.T) {
	t.Helper()
	waitFor(ctx, t, `document.querySelector(".reads").textContent === "Read on from this record" && document.querySelector(".cursor").textContent.startsWith("v1.")`)
	place, offset, _ := strings.Cut(evaluated(ctx, t, `document.querySelector(".row[aria-selected=true]").children[1].textContent`), ":")
	stream, partition, several := strings.Cut(place, "/")
	inEvent, inLine := `"stream":"`+stream+`","partition":`+partition, stream+" "+partition
	if !several {
		partition = place
		inEvent, inLine = `"partition":`+partition, partition
	}
	shown := func(language string) string {
		do(ctx, t, `[...document.querySelectorAll(".languages button")].find((b) => b.textContent === "`+language+`").click()`)
		waitFor(ctx, t, `document.querySelector(".program").getAttribute("aria-label") === "Program in `+language+`" && !document.querySelector(".copy-program").disabled`)
		return evaluated(ctx, t, `document.querySelector(".program").textContent`)
	}
	event := regexp.MustCompile(regexp.QuoteMeta(inEvent) + `,"offset":(\d+),`)
	line := regexp.MustCompile(`^` + regexp.QuoteMeta(inLine) + ` (\d+) \S+ `)
	// The first record of the partition is the chosen one.
	first := func(language string, r *running, pattern *regexp.Regexp) {
		t.Helper()
		if got := r.until(pattern)[1]; got != offset {
			t.Errorf("%s begins at offset %s of %s, want %s", language, got, place, offset)
		}
		r.stop()
	}

	program(t, "curl")
	first("curl", launch(t, t.TempDir(), nil, "sh", "-c", "exec "+shown("curl")), event)

	file := filepath.Join(t.TempDir(), "read.py")
	write(t, file, shown("Python"))
	first("Python", launch(t, filepath.Dir(file), nil, program(t, "python3"), file), line)

	file = filepath.Join(t.TempDir(), "read.go")
	write(t, file, shown("Go"))
	first("Go", launch(t, filepath.Dir(file), []string{"GOWORK=off", "GOFLAGS="}, "sh", "-c", "go build -o read read.go && exec ./read"), event)

	// The program of an earlier call still runs in this page: each has a console of its own.
	script := shown("JavaScript")
	do(ctx, t, `window.printed = [];
		((lines) => ((console) => (async () => {`+script+`})().catch((e) => lines.push("failed: " + e)))({ log: (...what) => lines.push(what.join(" ")) }))(printed)`)
	waitFor(ctx, t, `printed.some((p) => p.startsWith("`+inLine+` "))`)
	if got := evaluated(ctx, t, `printed.find((p) => p.startsWith("`+inLine+` ")).slice(`+fmt.Sprint(len(inLine)+1)+`).split(" ")[0]`); got != offset {
		t.Errorf("JavaScript begins at offset %s of %s, want %s", got, place, offset)
	}
}

// A pattern is read in one pane: rows tell their stream, older records are those of all its streams,
// in order and once, and the list of streams has an entry for it.
func TestConsoleLivePattern(t *testing.T) {
	t.Parallel()
	ctx, _ := openLive(t, "#live?stream=chat.lobby", map[string]string{"wiki.edits": "1", "flights.positions": "1"})
	waitFor(ctx, t, isLive)
	do(ctx, t, `const search = document.getElementById("streams-search"); search.focus(); search.value = "*[s"; search.dispatchEvent(new Event("input"));`)
	waitFor(ctx, t, `document.getElementById("streams-note").textContent .startsWith("0 of ") && document.querySelector("[data-pattern] small").textContent === "0 streams"`)
	do(ctx, t, `const search = document.getElementById("streams-search"); search.value = "*i*it*s"; search.dispatchEvent(new Event("input"));`)
	waitFor(ctx, t, `document.getElementById("streams-note").textContent .startsWith("2 of ") && document.querySelector("[data-pattern] small").textContent === "2 streams"`)
	if err := chromedp.Do(ctx, chromedp.KeyEvent(kb.Enter)); err != nil {
		t.Fatal(err)
	}
	waitFor(ctx, t, isLive+` && location.hash.startsWith("#live?stream=*i*it*s&") && document.querySelector("[data-pattern] .choose").getAttribute("aria-current") === "true"`)
	waitFor(ctx, t, `document.querySelector(".facts").textContent === "2 streams: flights.positions, wiki.edits"`)
	do(ctx, t, `document.querySelector(".from").value = "last:100"; document.querySelector(".key").value = ""; document.querySelector(".reading").requestSubmit()`)
	waitFor(ctx, t, isLive+` && document.querySelectorAll(".row").length > 10`)
	waitFor(ctx, t, `[...document.querySelectorAll(".row")].every((row) => /^(wiki.edits|flights.positions)\/\d+:\d+$/.test(row.children[1].textContent))`)
	do(ctx, t, walkBack)
	waitFor(ctx, t, `walked`)
	if fault := evaluated(ctx, t, `(() => {
		const next = {};
		for (const [, place] of [...seen].sort(([a], [b]) => a - b)) {
			const [partition, offset] = place.split(/[: ]/);
			if (Number(offset) !== (next[partition] ?? 0)) return place + " at " + next[partition];
			next[partition] = Number(offset) + 1;
		}
		return Object.keys(next).length === 6 ? "" : "partitions " + Object.keys(next);
	})()`); fault != "" {
		t.Errorf("the records are not in order: %s", fault)
	}
	// The drawer says which stream a record is of, and the cursor names it.
	do(ctx, t, `document.querySelector(".events").focus()`)
	if err := chromedp.Do(ctx, chromedp.KeyEvent(kb.Home)); err != nil {
		t.Fatal(err)
	}
	waitFor(ctx, t, `/Stream(wiki.edits|flights.positions)/.test(document.querySelector(".facts-of-record").textContent) && document.querySelector(".cursor").textContent.startsWith("v1.")`)

	// One of its streams beside it is read, too, although a session has each stream once.
	do(ctx, t, `document.querySelector("[data-stream='wiki.edits'] + .add").click()`)
	waitFor(ctx, t, `document.querySelectorAll(".pane-state[data-state=live]").length === 2 && document.querySelectorAll(".pane")[1].querySelectorAll(".row").length > 5`)
}

// Those for a principal with a token take it from the environment, and texts of any kind are quoted.
func TestConsoleLiveProgramsWithAToken(t *testing.T) {
	t.Parallel()
	ctx, _ := openLive(t, "", nil)
	do(ctx, t, `import(new URL("live/programs.js", document.querySelector("script[type=module]").src)).then(({ programs }) => { window.programs = programs })`)
	waitFor(ctx, t, `window.programs !== undefined`)
	written := func(language string) string {
		return evaluated(ctx, t, `programs["`+language+`"]({ base: "http://127.0.0.1:1/", stream: "a.b", from: "offset:0:1", key: "it's \"ü\" \\ $x", filter: "data.x == 'y'", token: true })`)
	}
	dir := t.TempDir()
	write(t, filepath.Join(dir, "read.go"), written("Go"))
	write(t, filepath.Join(dir, "read.py"), written("Python"))
	write(t, filepath.Join(dir, "read.sh"), strings.Replace(written("curl"), "curl", `printf '%s\n'`, 1))
	python := program(t, "python3")
	for name, command := range map[string]string{
		"Go": "gofmt -l . && go vet read.go", "Python": python + " -B -c 'import ast; ast.parse(open(\"read.py\").read())'",
		"curl": "test \"$(sh read.sh)\" = \"$(cat want)\"",
	} {
		write(t, filepath.Join(dir, "want"), "-N\n-G\nhttp://127.0.0.1:1/v1/streams/a.b/events\n--data-urlencode\nfrom=offset:0:1\n--data-urlencode\nkey=it's \"ü\" \\ $x\n"+
			"--data-urlencode\nfilter=data.x == 'y'\n-H\nAuthorization: Bearer a.token\n")
		cmd := exec.CommandContext(t.Context(), "sh", "-c", command)
		cmd.Dir, cmd.Env = dir, append(os.Environ(), "GOWORK=off", "GOFLAGS=", "SLUICE_TOKEN=a.token")
		if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
	for _, language := range []string{"curl", "JavaScript", "Go", "Python"} {
		if text := written(language); !strings.Contains(text, "SLUICE_TOKEN") && !strings.Contains(text, `prompt("A token")`) {
			t.Errorf("%s takes no token:\n%s", language, text)
		}
	}
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
