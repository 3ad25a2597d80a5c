package transport_test

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestAnswersAreShielded: every answer, of both listeners, of whichever status and type,
// has the headers that keep browsers from taking it for something else.
func TestAnswersAreShielded(t *testing.T) {
	t.Parallel()
	in := start(t, options{})
	live := token(t, "u42", "live", time.Hour)
	for _, c := range []struct {
		method, base, path, token string
		status                    int
	}{
		{"GET", in.url, "/v1/streams", live, 200},
		{"GET", in.url, "/v1/streams", "not.a.token", 401},
		{"GET", in.url, "/v1/streams/orders", live, 200},
		{"GET", in.url, "/v1/streams/nothing", live, 404},
		{"GET", in.url, "/v1/streams/orders/records", live, 200},
		{"GET", in.url, "/v1/streams/orders/records?from=x", live, 400},
		{"GET", in.url, "/v1/streams/orders/events", live, 200},
		{"HEAD", in.url, "/v1/streams/orders/events", live, 200},
		{"GET", in.url, "/v1/streams/orders/events?errors=stream", "not.a.token", 200},
		{"GET", in.url, "/v1/events?stream=orders", live, 200},
		{"GET", in.url, "/v1/ws", live, 426},
		{"PATCH", in.url, "/v1/streams", live, 405},
		{"GET", in.url, "/v1/nothing", live, 404},
		{"GET", in.url, "/v1//streams", live, 307},
		{"OPTIONS", in.url, "/v1/streams", "", 405},
		{"POST", in.url, "/v1/backchannel-logout", "", 400},
		{"GET", in.url, "/nothing", "", 404},
		{"GET", in.admin, "/readyz", "", 200},
		{"GET", in.admin, "/metrics", "", 200},
		{"GET", in.admin, "/debug/pprof/", "", 200},
		{"POST", in.admin, "/revocations", "", 400},
		{"GET", in.admin, "/nothing", "", 404},
	} {
		req, err := http.NewRequestWithContext(t.Context(), c.method, c.base+c.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if c.token != "" {
			req.Header.Set("Authorization", "Bearer "+c.token)
		}
		client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
		res, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != c.status {
			t.Errorf("%s %s: the status is %d", c.method, c.path, res.StatusCode)
		}
		for name, part := range map[string]string{
			"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "frame-ancestors 'none'",
			"Cross-Origin-Resource-Policy": "same-origin", "Referrer-Policy": "no-referrer",
		} {
			if got := res.Header.Values(name); len(got) != 1 || !strings.Contains(got[0], part) {
				t.Errorf("%s %s: %s is %q", c.method, c.path, name, got)
			}
		}
	}
}
