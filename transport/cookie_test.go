package transport_test

import (
	"net/http"
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"time"

	"sluice/auth"
	"sluice/transport"
	"sluice/transport/wire"
)

// withCookie enables the cookie, behind a proxy with TLS.
func withCookie(mode http.SameSite) func(*transport.Config) {
	return func(c *transport.Config) {
		c.Cookie = mode
		c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	}
}

// TestCookie is a table of who can have the cookie set and cleared.
func TestCookie(t *testing.T) {
	t.Parallel()
	in := start(t, options{config: withCookie(http.SameSiteStrictMode)})
	live := token(t, "u42", "live", time.Hour)
	const https = "X-Forwarded-Proto"
	for name, c := range map[string]struct {
		method, path, token, body string
		header                    []string
		status                    int
		code                      string
	}{
		"a listed page":         {"POST", "", live, "", []string{"Origin", page, https, "https"}, 204, ""},
		"our own page":          {"POST", "", live, "", []string{"Sec-Fetch-Site", "same-origin", https, "https"}, 204, ""},
		"clearing":              {"DELETE", "", "", "", []string{"Origin", page, https, "https"}, 204, ""},
		"clearing our own":      {"DELETE", "", "", "", []string{"Sec-Fetch-Site", "same-origin", https, "https"}, 204, ""},
		"clearing an old one":   {"DELETE", "", "", "", []string{"Origin", page, https, "https", "Cookie", auth.CookieName + "=a.b.c"}, 204, ""},
		"over http":             {"POST", "", live, "", []string{"Origin", page, "Host", "sluice.example.com"}, 400, "bad_request"},
		"over http, look-alike": {"POST", "", live, "", []string{"Origin", page, "Host", "localhost.example.com:80"}, 400, "bad_request"},
		"http to this machine":  {"POST", "", live, "", []string{"Origin", page}, 204, ""},
		"http to localhost":     {"POST", "", live, "", []string{"Origin", page, "Host", "localhost:8080"}, 204, ""},
		"http to IPv6 loopback": {"POST", "", live, "", []string{"Origin", page, "Host", "[::1]:8080"}, 204, ""},
		"no page":               {"POST", "", live, "", []string{https, "https"}, 403, "forbidden"},
		"another page":          {"POST", "", live, "", []string{"Origin", "https://evil.example", https, "https"}, 403, "forbidden"},
		"origin null":           {"POST", "", live, "", []string{"Origin", "null", https, "https"}, 403, "forbidden"},
		"a page of our site":    {"POST", "", live, "", []string{"Sec-Fetch-Site", "same-site", https, "https"}, 403, "forbidden"},
		"clearing by another":   {"DELETE", "", "", "", []string{"Origin", "https://evil.example", https, "https"}, 403, "forbidden"},
		"clearing by no page":   {"DELETE", "", "", "", []string{https, "https"}, 403, "forbidden"},
		"no token":              {"POST", "", "", "", []string{"Origin", page, https, "https"}, 400, "bad_request"},
		"a token in the cookie": {"POST", "", "", "", []string{"Origin", page, https, "https", "Cookie", auth.CookieName + "=" + live}, 400, "bad_request"},
		"a bad token":           {"POST", "", "a.b.c", "", []string{"Origin", page, https, "https"}, 401, "unauthenticated"},
		"an old token":          {"POST", "", expired(t), "", []string{"Origin", page, https, "https"}, 401, "token_expired"},
		"a body":                {"POST", "", live, "{}", []string{"Origin", page, https, "https"}, 400, "bad_request"},
		"a parameter":           {"POST", "?domain=x", live, "", []string{"Origin", page, https, "https"}, 400, "bad_request"},
		"clearing, a parameter": {"DELETE", "?domain=x", "", "", []string{"Origin", page, https, "https"}, 400, "bad_request"},
		"a token that is too long": {"POST", "", func() string {
			text, err := auth.Mint(secret, auth.TokenClaims{Issuer: "test", Audience: "sluice", Subject: "u", ValidFor: time.Hour, More: map[string]any{"scope": "live", "x": strings.Repeat("x", 4000)}})
			if err != nil {
				t.Fatal(err)
			}
			return text
		}(), "", []string{"Origin", page, https, "https"}, 413, "too_large"},
	} {
		t.Run(name, func(t *testing.T) {
			status, head, body := in.do(c.method, "/v1/cookie"+c.path, c.token, c.body, c.header...)
			if c.code != "" {
				in.problem(t, status, head, body, c.status, c.code)
				if head.Get("Set-Cookie") != "" {
					t.Errorf("set %s", head.Get("Set-Cookie"))
				}
				return
			}
			if status != c.status || body != "" || head.Get("Cache-Control") != "no-store" {
				t.Errorf("got %d %v %s", status, head, body)
			}
			set := head.Get("Set-Cookie")
			want := auth.CookieName + "=" + live + "; Path=/; Max-Age=3599; HttpOnly; Secure; SameSite=Strict"
			if c.method == http.MethodDelete {
				want = auth.CookieName + "=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Strict"
			}
			// Some seconds may have passed since the token was made.
			if regexp.MustCompile(`Max-Age=3(5[0-9]{2}|600)`).ReplaceAllString(set, "Max-Age=3599") != want {
				t.Errorf("set %s", set)
			}
			if c.method == http.MethodPost {
				// What was set is a credential for the same page.
				status, _, body := in.do(http.MethodGet, "/v1/streams/orders/records", "", "", append(c.header, "Cookie", auth.CookieName+"="+live)...)
				if status != http.StatusOK {
					t.Errorf("using it: %d %s", status, body)
				}
			}
		})
	}
	for mode, want := range map[http.SameSite]string{http.SameSiteLaxMode: "Lax", http.SameSiteNoneMode: "None"} {
		other := start(t, options{config: withCookie(mode)})
		if _, head, _ := other.do(http.MethodPost, "/v1/cookie", live, "", "Origin", page, https, "https"); !strings.HasSuffix(head.Get("Set-Cookie"), "; Secure; SameSite="+want) {
			t.Errorf("%s: %v", want, head)
		}
	}
	off := start(t, options{})
	for _, method := range []string{http.MethodPost, http.MethodDelete} {
		status, head, body := off.do(method, "/v1/cookie", live, "", "Origin", page)
		off.problem(t, status, head, body, http.StatusBadRequest, "bad_request")
	}
}

// TestCookieOfACharacterThatBreaksIt: a token of another kind than a JWT can have any
// character.
func TestCookieOfACharacterThatBreaksIt(t *testing.T) {
	t.Parallel()
	for _, text := range []string{`a;b`, `a,b`, `a b`, `"a"`, `a\b`, "ä"} {
		in := start(t, options{config: func(c *transport.Config) {
			withCookie(http.SameSiteLaxMode)(c)
			c.Auth = authOf(t, anyToken{})
		}})
		status, head, body := in.do(http.MethodPost, "/v1/cookie", text, "", "Origin", page, "X-Forwarded-Proto", "https")
		in.problem(t, status, head, body, http.StatusBadRequest, "bad_request")
	}
}

// TestRefusedPagesAreToldWhy: a credential that a browser adds is refused because of the
// page, and the answer says so, with what helps.
func TestRefusedPagesAreToldWhy(t *testing.T) {
	t.Parallel()
	inBubble(t, options{config: withCookie(http.SameSiteStrictMode)}, func(t *testing.T, in *instance) {
		cookie := auth.CookieName + "=" + token(t, "u", "live", time.Hour)
		for name, c := range map[string]struct {
			header []string
			want   string
		}{
			"another page": {[]string{"Origin", "https://other.example"}, "add the origin to origins"},
			"null":         {[]string{"Origin", "null"}, "Origin: null, which cannot be listed"},
			"no page":      {nil, "needs an Origin of origins, or Sec-Fetch-Site: same-origin"},
			"same site":    {[]string{"Sec-Fetch-Site", "same-site"}, "needs an Origin of origins, or Sec-Fetch-Site: same-origin"},
		} {
			header := append([]string{"X-Forwarded-Proto", "https"}, c.header...)
			for _, request := range [][]string{
				{http.MethodGet, "/v1/streams", "Cookie", cookie},
				{http.MethodGet, "/v1/streams/orders/events", "Cookie", cookie},
				{http.MethodDelete, "/v1/cookie"},
			} {
				if request[0] == http.MethodDelete && name == "same site" {
					continue
				}
				status, _, body := in.do(request[0], request[1], "", "", append(header, request[2:]...)...)
				text := problemIn(t, body).str("detail")
				if request[0] == http.MethodDelete && name != "no page" {
					// Refused before it is looked at, as it changes state.
					if status != http.StatusForbidden || !strings.Contains(text, c.want[:12]) {
						t.Errorf("%s, %s: got %d %s", name, request, status, text)
					}
					continue
				}
				if status != http.StatusForbidden || !strings.Contains(text, c.want) || len(text) > wire.MaxCloseReason {
					t.Errorf("%s, %s: got %d %s", name, request, status, text)
				}
			}
		}
	})
}
