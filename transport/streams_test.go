package transport_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"sluice/auth"
	"sluice/hub"
	"sluice/hub/event"
	"sluice/transport"
)

func TestStreams(t *testing.T) {
	t.Parallel()
	in := start(t, options{stream: func(s *hub.Stream) { s.Content = event.ContentJSON }})
	list := func(token string) map[string]message {
		t.Helper()
		status, head, body := in.do(http.MethodGet, "/v1/streams", token, "")
		var got struct {
			Streams []message `json:"streams"`
		}
		if err := json.Unmarshal([]byte(body), &got); err != nil || status != http.StatusOK || head.Get("Cache-Control") != "no-store" {
			t.Fatalf("got %d %s", status, body)
		}
		all := map[string]message{}
		for _, s := range got.Streams {
			all[s.str("stream")] = s
		}
		return all
	}
	live := token(t, "u42", "live", time.Hour)
	for name, tt := range map[string]struct {
		token string
		sees  []string
	}{
		"anonymous": {"", []string{"public.news"}},
		"live":      {live, []string{"orders", "public.news"}},
		"write":     {token(t, "w", "write", time.Hour), []string{"orders", "public.news"}},
		"none":      {token(t, "n", "nothing", time.Hour), []string{"public.news"}},
	} {
		got := list(tt.token)
		if len(got) != len(tt.sees) {
			t.Errorf("%s sees %v", name, got)
		}
		for _, stream := range tt.sees {
			if got[stream] == nil {
				t.Errorf("%s does not see %s", name, stream)
			}
		}
	}
	orders := list(live)["orders"]
	if orders["subscribe"] != true || orders["publish"] != true || orders["replay_ms"] != -1.0 || orders["content"] != "json" {
		t.Errorf("got %v", orders)
	}
	news := list("")["public.news"]
	if news["subscribe"] != true || news["publish"] != false || news["replay_ms"] != 600_000.0 {
		t.Errorf("got %v", news)
	}
	if w := list(token(t, "w", "write", time.Hour))["orders"]; w["subscribe"] != false || w["publish"] != true || w["replay_ms"] != 0.0 {
		t.Errorf("got %v", w)
	}
	status, _, body := in.do(http.MethodGet, "/v1/streams/orders", live, "")
	if status != http.StatusOK || !strings.Contains(body, `"partitions":2`) || !strings.Contains(body, `"stream":"orders"`) {
		t.Errorf("one stream: %d %s", status, body)
	}
}

// TestStreamsHiddenAndMissing: a client cannot distinguish a hidden stream from one
// that does not exist.
func TestStreamsHiddenAndMissing(t *testing.T) {
	t.Parallel()
	in := start(t, options{})
	live := token(t, "u42", "live", time.Hour)
	cursor := in.page("orders", "", live).Cursor
	for _, tok := range []string{live, "", token(t, "n", "nothing", time.Hour)} {
		for _, request := range []struct{ method, path, body string }{
			{"GET", "/v1/streams/STREAM", ""},
			{"GET", "/v1/streams/STREAM?foo=1", ""},
			{"GET", "/v1/streams/STREAM/schema", ""},
			{"GET", "/v1/streams/STREAM/records", ""},
			{"GET", "/v1/streams/STREAM/records?from=" + cursor, ""},
			{"GET", "/v1/streams/STREAM/records?cursor_name=a", ""},
			{"GET", "/v1/streams/STREAM/events", ""},
			{"GET", "/v1/streams/STREAM/events?from=x", ""},
			{"GET", "/v1/events?stream=orders&stream=STREAM", ""},
			{"POST", "/v1/streams/STREAM/records", `{"data":1}`},
			{"POST", "/v1/streams/STREAM/records?foo=1", `{`},
			{"GET", "/v1/cursors/STREAM/a", ""},
			{"PUT", "/v1/cursors/STREAM/a", `{"cursor":"` + cursor + `"}`},
			{"PUT", "/v1/cursors/STREAM/a", `{`},
			{"DELETE", "/v1/cursors/STREAM/a", ""},
		} {
			ask := func(stream string) (int, string) {
				status, _, body := in.do(request.method, strings.ReplaceAll(request.path, "STREAM", stream), tok, request.body)
				return status, body
			}
			hidden, hiddenBody := ask("hidden")
			missing, missingBody := ask("missin")
			if hidden != missing || hiddenBody != missingBody || hidden < 400 {
				t.Errorf("%s %s: hidden %d %s, missing %d %s", request.method, request.path, hidden, hiddenBody, missing, missingBody)
			}
		}
	}
}

func TestStreamsFaults(t *testing.T) {
	t.Parallel()
	in := start(t, options{config: func(c *transport.Config) {
		closed, err := auth.New(auth.Config{
			Issuers: []auth.Issuer{{Issuer: "test", Audience: "sluice", Algorithms: []string{auth.HS256}, Secret: secret}},
			Grants:  []auth.Grant{{When: map[string]string{"scope": "live"}, Subscribe: []string{"*"}, Publish: []string{"*"}}},
		})
		if err != nil {
			t.Fatal(err)
		}
		c.Auth = closed
	}})
	live := token(t, "u42", "live", time.Hour)
	for _, path := range []string{
		"/v1/streams", "/v1/streams/orders", "/v1/streams/nope", "/v1/streams/orders/schema", "/v1/streams/orders/records", "/v1/streams/orders/events",
		"/v1/cursors/orders/a", "/v1/events?stream=orders",
	} {
		status, head, body := in.do(http.MethodGet, path, "", "")
		in.problem(t, status, head, body, http.StatusUnauthorized, "unauthenticated")
		status, head, body = in.do(http.MethodGet, path, "", "", "Authorization", "ApiKey abc")
		if m := in.problem(t, status, head, body, http.StatusBadRequest, "bad_request"); !strings.Contains(m.str("detail"), "ApiKey") {
			t.Errorf("%s: ApiKey is refused with %s", path, body)
		}
		status, head, body = in.do(http.MethodGet, path, "", "", "Authorization", "Basic dTpw")
		in.problem(t, status, head, body, http.StatusBadRequest, "bad_request")
		status, head, body = in.do(http.MethodGet, path, "", "", "Cookie", auth.CookieName+"="+live)
		in.problem(t, status, head, body, http.StatusForbidden, "forbidden")
		join := "?"
		if strings.Contains(path, "?") {
			join = "&"
		}
		status, head, body = in.do(http.MethodGet, path+join+"ticket=abc", "", "")
		if m := in.problem(t, status, head, body, http.StatusBadRequest, "bad_request"); !strings.Contains(m.str("detail"), "tickets") {
			t.Errorf("%s: a ticket is refused with %s", path, body)
		}
		status, head, body = in.do(http.MethodGet, path+join+"access_token=abc", "", "")
		in.problem(t, status, head, body, http.StatusBadRequest, "bad_request")
	}
	// Features that are not available yet are refused by name.
	for _, request := range [][2]string{
		{"GET", "/openapi.json"}, {"GET", "/asyncapi.json"},
	} {
		status, head, body := in.do(request[0], request[1], live, "")
		if m := in.problem(t, status, head, body, http.StatusBadRequest, "bad_request"); !strings.Contains(m.str("detail"), request[1]) {
			t.Errorf("%v: %s", request, body)
		}
	}
	status, head, body := in.do(http.MethodGet, "/v1/streams?filter=1", live, "")
	in.problem(t, status, head, body, http.StatusBadRequest, "bad_request")
	if status, head, _ := in.do(http.MethodDelete, "/v1/streams/orders/records", live, ""); status != http.StatusMethodNotAllowed || head.Get("Allow") == "" {
		t.Errorf("DELETE: %d %v", status, head)
	}
	in.topics.Away(true)
	status, head, body = in.do(http.MethodGet, "/v1/streams/orders", live, "")
	in.problem(t, status, head, body, http.StatusServiceUnavailable, "overloaded")
	if status, _, _ := in.do(http.MethodGet, "/v1/streams", live, ""); status != http.StatusOK {
		t.Errorf("the list, without Kafka: %d", status)
	}
}
