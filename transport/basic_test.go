package transport_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// TestBasicOnRoutes: a user name and password are a credential on the routes of a REST proxy
// and on no other, in each state that a key can be in, and never that of a page. No answer
// asks for them, as a browser would keep what is typed then and send it by itself.
func TestBasicOnRoutes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, false)
	client, done := w.client(nil, false)
	t.Cleanup(done)
	id, secret, _ := strings.Cut(strings.TrimPrefix(validKey, "sluice_"), "_")
	old, oldSecret, _ := strings.Cut(strings.TrimPrefix(expiredKey, "sluice_"), "_")
	basic := func(user, password string) string {
		return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
	}
	// Who is known but has no right to publish is forbidden to.
	states := map[string]struct {
		authorization string
		page          [2]string
		status        int
		code          string
	}{
		"valid":                  {authorization: basic(id, secret), status: http.StatusForbidden, code: "forbidden"},
		"with the whole key":     {authorization: basic(id, validKey), status: http.StatusForbidden, code: "forbidden"},
		"wrong":                  {authorization: basic(id, secret+"x"), status: http.StatusUnauthorized, code: "unauthenticated"},
		"of another id":          {authorization: basic(old, secret), status: http.StatusUnauthorized, code: "unauthenticated"},
		"a key under another id": {authorization: basic(old, validKey), status: http.StatusUnauthorized, code: "unauthenticated"},
		"expired":                {authorization: basic(old, oldSecret), status: http.StatusUnauthorized, code: "token_expired"},
		"unknown":                {authorization: basic("nobody", secret), status: http.StatusUnauthorized, code: "unauthenticated"},
		"a token as password":    {authorization: basic("u1", w.jwt(nil)), status: http.StatusUnauthorized, code: "unauthenticated"},
		"no password":            {authorization: basic(id, ""), status: http.StatusUnauthorized, code: "unauthenticated"},
		"not base64":             {authorization: "Basic " + validKey, status: http.StatusUnauthorized, code: "unauthenticated"},
		"of our own page":        {authorization: basic(id, secret), page: [2]string{"Sec-Fetch-Site", "same-origin"}, status: http.StatusBadRequest, code: "bad_request"},
		"of a page, by Origin":   {authorization: basic(id, secret), page: [2]string{"Origin", w.in.url}, status: http.StatusBadRequest, code: "bad_request"},
		"of a foreign page":      {authorization: basic(id, secret), page: [2]string{"Sec-Fetch-Site", "cross-site"}, status: http.StatusForbidden, code: "forbidden"},
	}
	for name, s := range states {
		if w.opens(t, presentation{scheme: "Basic", token: strings.TrimPrefix(s.authorization, "Basic ")}, "header") {
			t.Errorf("WebSocket, %s: there is a welcome", name)
		}
	}
	routes, proxies := make(map[string]bool), make(map[string]bool)
	for _, a := range accesses() {
		if a.slow || a.then != "" {
			continue
		}
		method, _, _ := strings.Cut(a.route, " ")
		isProxy := strings.Contains(a.route, "{topic}")
		if routes[a.route] = true; isProxy {
			proxies[a.route] = true
		}
		for name, s := range states {
			what := fmt.Sprintf("%s, %s", a.route, name)
			req := must(http.NewRequestWithContext(t.Context(), method, w.in.url+a.path, strings.NewReader(a.body)))
			for i := 0; i < len(a.header); i += 2 {
				req.Header.Set(a.header[i], a.header[i+1])
			}
			req.Header.Set("Authorization", s.authorization)
			if s.page[0] != "" {
				req.Header.Set(s.page[0], s.page[1])
			}
			res, err := client.Do(req)
			if err != nil {
				t.Fatalf("%s: %v", what, err)
			}
			body := make([]byte, 4096)
			n, _ := res.Body.Read(body)
			_ = res.Body.Close()
			status, code := s.status, s.code
			if !isProxy && name != "of a foreign page" {
				status, code = http.StatusBadRequest, "bad_request"
			}
			if !isProxy && name == "of a foreign page" && (method == http.MethodGet || method == http.MethodHead) {
				status, code = http.StatusBadRequest, "bad_request" // reading alone is no forgery
			}
			if strings.HasSuffix(a.path, "errors=stream") {
				status = http.StatusOK // and the fault in the stream
			}
			if res.StatusCode != status || method != http.MethodHead && !strings.Contains(string(body[:n]), `"code":"`+code+`"`) {
				t.Errorf("%s: got %d %s, want %d %s", what, res.StatusCode, body[:n], status, code)
			}
			for _, challenge := range res.Header.Values("WWW-Authenticate") {
				if strings.Contains(strings.ToLower(challenge), "basic") {
					t.Errorf("%s: the challenge is %q", what, challenge)
				}
			}
			if strings.Contains(string(body[:n]), secret) {
				t.Errorf("%s: the answer has the secret: %s", what, body[:n])
			}
		}
	}
	if len(proxies) != 2 || len(routes) < 15 {
		t.Errorf("tried %d routes, of which %d are those of a REST proxy", len(routes), len(proxies))
	}
}
