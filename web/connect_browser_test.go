package web_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"sluice/web"
)

// door is a server that lets tokens in which are in good, by their principal.
type door struct {
	anonymous bool // others are let in, too, and can make tokens
	minted    string

	mu       sync.Mutex
	good     map[string]string
	refusals map[string]string // problems, by token
	bodies   []string          // of requests for tokens
	seen     []string          // addresses of all requests
}

func (d *door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.seen = append(d.seen, r.RequestURI)
	if !strings.HasPrefix(r.URL.Path, "/v1/") {
		web.Handler().ServeHTTP(w, r)
		return
	}
	token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	principal, known := d.good[token]
	if !known && (token != "" || !d.anonymous) {
		problem, ok := d.refusals[token]
		if !ok {
			problem = `{"status":401,"code":"unauthenticated","detail":"a token is required","action":"stop"}`
		}
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = io.WriteString(w, problem)
		return
	}
	switch r.URL.Path {
	case "/v1/principal":
		_ = json.NewEncoder(w).Encode(map[string]any{"principal": principal, "tenant": "acme", "anonymous": principal == "", "admin": principal == "root", "mint": d.anonymous})
	case "/v1/dev/tokens":
		body, _ := io.ReadAll(r.Body)
		d.bodies = append(d.bodies, string(body))
		if strings.Contains(string(body), `"forever"`) {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, `{"status":400,"code":"bad_request","detail":"claims: no such thing"}`)
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"token": d.minted})
	case "/v1/streams":
		_, _ = io.WriteString(w, `{"streams":[{"stream":"orders","subscribe":true,"publish":false,"replay_ms":3600000,"filtered":true,"redacted":true},{"stream":"<b>x</b>","subscribe":false,"publish":true}]}`)
	case "/v1/streams/orders":
		_, _ = io.WriteString(w, `{"stream":"orders","partitions":1,"subscribe":true}`)
	default:
		w.WriteHeader(http.StatusNotFound)
		_, _ = io.WriteString(w, `{"status":404,"code":"unknown_path"}`)
	}
}

// jwt makes a token with a payload; nobody checks its signature here.
func jwt(payload string) string {
	encode := base64.RawURLEncoding.EncodeToString
	return encode([]byte(`{"alg":"ES256","kid":"k1","typ":"JWT"}`)) + "." + encode([]byte(payload)) + "." + encode([]byte("signature-of-the-token"))
}

// connectAt opens an address of the console of a server.
func connectAt(t *testing.T, d *door, hash string) context.Context {
	t.Helper()
	ctx := browser(t)
	server := httptest.NewServer(d)
	t.Cleanup(server.Close)
	noExceptions(ctx, t)
	if err := chromedp.Do(ctx, chromedp.Navigate(server.URL+"/"+hash)); err != nil {
		t.Fatal(err)
	}
	return ctx
}

// paste uses a token.
func paste(ctx context.Context, t *testing.T, token string) {
	t.Helper()
	typing(ctx, t, "#connect-token", token)
	run(ctx, t, `document.getElementById("connect-token-form").requestSubmit()`)
}

// Without a token the page says where to give one. A token is nowhere but in memory, and
// what is wrong with one is said in words.
func TestConnectWithAToken(t *testing.T) {
	t.Parallel()
	exp := time.Now().Add(time.Hour).Unix()
	good := jwt(fmt.Sprintf(`{"sub":"u42","exp":%d,"iat":1795953600,"big":9007199254740993,"roles":["a","b"]}`, exp))
	expired := jwt(`{"sub":"u42","exp":1700000000}`)
	d := &door{good: map[string]string{good: "u42"}, refusals: map[string]string{
		expired: `{"status":401,"code":"token_expired","detail":"the token has expired","action":"reauthenticate"}`,
	}}
	ctx := connectAt(t, d, "#publish?stream=orders")
	var mu sync.Mutex
	var logged []string
	err := chromedp.Listen(ctx, func(event any) {
		if said, ok := event.(*runtime.EventConsoleAPICalled); ok {
			mu.Lock()
			defer mu.Unlock()
			for _, arg := range said.Args {
				logged = append(logged, string(arg.Value))
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	fault := `document.getElementById("connect-fault").textContent.includes`
	until(ctx, t, `document.getElementById("connect-fault")?.checkVisibility() && `+fault+`("nobody in without a token")`)
	until(ctx, t, `document.getElementById("connect-token").type === "password" && document.querySelector("[aria-current=page]").textContent === "Connect"`)
	picture(ctx, t, "connect-needed")

	paste(ctx, t, expired)
	until(ctx, t, fault+`("has expired. Get another") && `+fault+`("token_expired")`)
	until(ctx, t, `document.getElementById("connect-expiry").textContent.includes("ago") && document.getElementById("connect-expiry").dataset.kind === "over"`)
	paste(ctx, t, jwt(`{"iss":"https://other.example"}`))
	until(ctx, t, fault+`("Is https://other.example an issuer that the server knows")`)
	paste(ctx, t, jwt(`{"nbf":4000000000}`))
	until(ctx, t, fault+`("not valid yet")`)
	paste(ctx, t, "one two")
	until(ctx, t, `document.getElementById("connect-token-note").textContent.includes("has no spaces")`)
	paste(ctx, t, "opaque")
	until(ctx, t, `document.getElementById("connect-token-note").textContent.includes("not a JWT")`)

	// With a good one the page goes on to what its address says.
	paste(ctx, t, "Authorization: Bearer "+good)
	until(ctx, t, `document.querySelector("[aria-current=page]").textContent === "Publish" && document.getElementById("publish-stream")?.options.length === 1`)
	run(ctx, t, `location.hash = "#connect"`)
	until(ctx, t, `document.getElementById("connect-principal")?.textContent.includes("u42") && document.getElementById("connect-principal").textContent.includes("acme")`)
	until(ctx, t, `/^in (5\d min|1 h)/.test(document.getElementById("connect-expiry").textContent)`)
	claims := `document.getElementById("connect-claims").textContent`
	until(ctx, t, claims+`.includes("ES256") && `+claims+`.includes("9007199254740993") && `+claims+`.includes("1795953600 (") && `+claims+`.includes("2026") && `+claims+`.includes('["a", "b"]')`)
	cells := `[...document.querySelectorAll("#connect-rights tbody tr")].map((tr) => tr.innerText.replace(/\s+/g, " ")).join("|")`
	until(ctx, t, cells+` === "<b>x</b> no yes – – any|orders yes no 1 h only some records, without some fields any"`)
	until(ctx, t, `document.getElementById("connect-curl").textContent.startsWith('curl -N -H "Authorization: Bearer $TOKEN" ')`)
	picture(ctx, t, "connect-token")
	// It is in no attribute and no text, unless somebody shows it, and then in the field only.
	press(ctx, t, "Show")
	until(ctx, t, `document.getElementById("connect-token").type === "text" && document.getElementById("connect-token").value === `+fmt.Sprintf("%q", good))
	press(ctx, t, "Hide")
	signature := good[strings.LastIndexByte(good, '.')+1:]
	until(ctx, t, fmt.Sprintf(`![document.documentElement.outerHTML, location.href, JSON.stringify(history.state), JSON.stringify({...localStorage}), JSON.stringify({...sessionStorage}), document.cookie].join().includes(%q)`, signature))
	press(ctx, t, "Forget it")
	until(ctx, t, fault+`("nobody in without a token") && document.getElementById("connect-token").value === ""`)
	d.mu.Lock()
	defer d.mu.Unlock()
	mu.Lock()
	defer mu.Unlock()
	if all := strings.Join(append(d.seen, logged...), " "); strings.Contains(all, signature) {
		t.Errorf("the token is in %s", all)
	}
}

// Claims are data of others.
func TestConnectHostileClaims(t *testing.T) {
	t.Parallel()
	var many strings.Builder
	many.WriteString(`{"sub":"<img src=x onerror=alert(1)>","exp":1e999,"iat":-1e300,"__proto__":{"a":1},"constructor":"x"`)
	for i := range 1500 {
		fmt.Fprintf(&many, `,"%dxxxxxxx":"%s"`, i, strings.Repeat("w", 10))
	}
	many.WriteString(`}`)
	hostile := jwt(many.String())
	deep := jwt(`{"a":` + strings.Repeat("[", 5000) + strings.Repeat("]", 5000) + `}`)
	d := &door{anonymous: true, good: map[string]string{hostile: strings.Repeat("<b>", 3000), deep: "deep", strings.Repeat("a.", 3000) + "b": "dots"}}
	ctx := connectAt(t, d, "#connect")
	until(ctx, t, `document.getElementById("connect-principal")?.textContent.includes("anonymous")`)
	if err := chromedp.Do(ctx, chromedp.EmulateViewport(390, 844)); err != nil {
		t.Fatal(err)
	}
	run(ctx, t, `window.alert = () => { throw new Error("a claim was run"); }`)
	paste(ctx, t, hostile)
	until(ctx, t, `document.getElementById("connect-claims").textContent.includes("<img src=x") && document.querySelectorAll("#view img, #view b").length === 0`)
	until(ctx, t, `document.querySelectorAll("#connect-claims dt").length < 300 && document.documentElement.scrollWidth <= 390`)
	until(ctx, t, `document.getElementById("connect-expiry").textContent !== ""`)
	for token, name := range map[string]string{deep: "deep", strings.Repeat("a.", 3000) + "b": "dots"} {
		paste(ctx, t, token)
		until(ctx, t, `document.getElementById("connect-principal").textContent.includes("`+name+`") && document.getElementById("connect-token-note").textContent.includes("This is not a JWT") && document.documentElement.scrollWidth <= 390`)
	}
	picture(ctx, t, "connect-phone")
}

// In dev a token is made with rights and claims that are chosen, and used.
func TestConnectMakesAToken(t *testing.T) {
	t.Parallel()
	minted := jwt(`{"sub":"ops"}`)
	d := &door{anonymous: true, minted: minted, good: map[string]string{minted: "root"}}
	ctx := connectAt(t, d, "#connect")
	until(ctx, t, `document.getElementById("connect-mint")?.checkVisibility()`)
	typing(ctx, t, "#mint-claims", "[1]")
	run(ctx, t, `document.getElementById("connect-mint-form").requestSubmit()`)
	until(ctx, t, `document.getElementById("mint-fault").textContent.includes("object of JSON") && document.activeElement.id === "mint-claims"`)
	typing(ctx, t, "#mint-claims", `{"role": "forever"}`)
	run(ctx, t, `document.getElementById("connect-mint-form").requestSubmit()`)
	until(ctx, t, `document.getElementById("mint-fault").textContent === "bad_request: claims: no such thing"`)
	typing(ctx, t, "#mint-sub", "ops")
	typing(ctx, t, "#mint-subscribe", "orders market.*")
	typing(ctx, t, "#mint-publish", "")
	typing(ctx, t, "#mint-replay", "1h")
	typing(ctx, t, "#mint-filter", `key == "a"`)
	typing(ctx, t, "#mint-claims", `{"n": 9007199254740993}`)
	picture(ctx, t, "connect-mint")
	run(ctx, t, `document.getElementById("mint-admin").click(); document.getElementById("connect-mint-form").requestSubmit()`)
	until(ctx, t, `document.getElementById("connect-principal").textContent.includes("root") && document.getElementById("connect-token").value !== ""`)
	d.mu.Lock()
	defer d.mu.Unlock()
	want := `{"claims":{"n": 9007199254740993, "sub": "ops"},"subscribe":["orders","market.*"],"publish":[],"replay":"1h","filter":"key == \"a\"","admin":true,"lifetime":"10m"}`
	if len(d.bodies) != 2 || d.bodies[1] != want {
		t.Errorf("asked for %q, want %q", d.bodies, want)
	}
}

// Repeats, losses and gaps are counted as such, each in its partition.
func TestConnectCountsRepeatsAndLosses(t *testing.T) {
	t.Parallel()
	ctx := connectAt(t, &door{anonymous: true}, "#connect")
	until(ctx, t, `document.getElementById("connect-principal") !== null`)
	run(ctx, t, `(async () => {
		const { Continuity } = await import(document.querySelector("script[type=module]").src.replace("main.js", "connect/continuity.js"));
		const event = (partition, offset) => ({ type: "event", partition, offset });
		const c = new Continuity();
		for (const m of [event(0, 1), event(0, 2), event(1, 5)]) c.take(m);
		c.cut("v1.a");
		for (const m of [event(0, 2), event(0, 4), event(1, 9), { type: "gap", partition: 1, from: 10, to: 12, reason: "retention" }, event(1, 12), event(2, 0)]) c.take(m);
		const asked = [];
		const pages = { "v1.a": { records: [event(0, 3), event(0, 4), event(1, 6), event(1, 7), event(1, 9)], cursor: "v1.b" }, "v1.b": { records: [event(1, 12), event(1, 13), event(2, 0)], cursor: "v1.c" } };
		const whole = await c.verify(async (from) => { asked.push(from); return pages[from]; });
		window.counted = JSON.stringify([whole, asked, [...c.check.rows].map(([p, r]) => [p, r.before ?? null, r.first, r.came, r.repeats, r.lost, r.gaps])]);
	})()`)
	until(ctx, t, `window.counted === '[true,["v1.a","v1.b"],[[0,2,2,2,1,1,0],[1,5,9,2,0,2,1],[2,null,0,1,0,0,0]]]'`)
}
