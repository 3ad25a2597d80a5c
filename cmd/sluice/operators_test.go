package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// adminListener answers as an admin listener does, with lists of two pages.
func adminListener(t *testing.T) (address string, asked *[]string) {
	t.Helper()
	asked = new([]string)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		*asked = append(*asked, r.Method+" "+r.URL.RequestURI())
		next := ""
		if r.URL.Query().Get("after") == "" {
			next = `,"next":"x"`
		}
		switch {
		case strings.HasSuffix(r.URL.Path, "/s_NOPE"):
			w.WriteHeader(http.StatusNotFound)
			_, _ = fmt.Fprint(w, `{"code":"unknown_session","detail":"this instance has no session with this id"}`)
		case r.Method != http.MethodGet:
			w.WriteHeader(http.StatusNoContent)
		case r.URL.Path == "/sessions":
			_, _ = fmt.Fprintf(w, `{"sessions":[{"session":"s_A%s","principal":"ada\u001b[2J","protocol":"sse","address":"192.0.2.1","started":1700000000000,"sent_records":7,"subscriptions":[{"stream":"orders","state":"replaying","lag_records":3,"lag_ms":90210}]}],"total":2%s}`, r.URL.Query().Get("after"), next)
		default:
			_, _ = fmt.Fprintf(w, `{"cursors":[{"stream":"orders","name":"n","principal":"user:i:ada","stored_at":1700000000000,"lag_records":4,"held":true}]%s}`, next)
		}
	}))
	t.Cleanup(server.Close)
	return server.URL, asked
}

func TestSessionsAndCursors(t *testing.T) {
	t.Parallel()
	address, asked := adminListener(t)
	for _, c := range []struct {
		args  []string
		lines int // in the output, that have want
		want  string
		fault string
	}{
		{[]string{"sessions", "--stream", "orders"}, 1, `s_A      ada\x1b[2J  sse       192.0.2.1  2023-11-14T22:13:20Z  7        orders (replaying, 3 behind, 1m30s)`, ""},
		{[]string{"sessions", "--sort", "lag_records"}, 1, `s_Ax     ada\x1b[2J`, ""},
		{[]string{"cursors"}, 2, "orders  n     user:i:ada  2023-11-14T22:13:20Z  4       true", ""},
		{[]string{"sessions", "--kick", "s_A"}, 0, "s_A", ""},
		{[]string{"sessions", "--drain", "s_A"}, 0, "s_A", ""},
		{[]string{"sessions", "--kick", "s_NOPE"}, 0, "s_A", "unknown_session: this instance has no session"},
		{[]string{"sessions", "--kick", "s_A", "--drain", "s_A"}, 0, "s_A", "only one of"},
	} {
		root := newRoot()
		var out strings.Builder
		root.SetOut(&out)
		root.SetErr(&out)
		root.SetArgs(append(c.args, "--admin", address))
		err := root.ExecuteContext(t.Context())
		if (err != nil) != (c.fault != "") || err != nil && !strings.Contains(err.Error(), c.fault) || strings.Count(out.String(), c.want) != c.lines {
			t.Errorf("%v: %v, printed\n%s", c.args, err, out.String())
		}
	}
	want := []string{
		"GET /sessions?limit=500&stream=orders", "GET /sessions?after=x&limit=500&stream=orders",
		"GET /sessions?limit=500&order=lag_records", "GET /sessions?after=x&limit=500&order=lag_records", "GET /cursors?limit=500", "GET /cursors?after=x&limit=500",
		"DELETE /sessions/s_A", "POST /sessions/s_A/drain", "DELETE /sessions/s_NOPE",
	}
	if strings.Join(*asked, "\n") != strings.Join(want, "\n") {
		t.Errorf("asked was\n%s", strings.Join(*asked, "\n"))
	}
}

// TestRevokeSaysWhatIsRevoked: in a sentence, or as the server says it.
func TestRevokeSaysWhatIsRevoked(t *testing.T) {
	t.Parallel()
	for answer, want := range map[string]struct {
		said  string
		fault string
	}{
		`{"revocation":{"subject":"ada\u001b[2J","before_at":1700000000000,"until_at":1700086400000},"scope":"all_instances"}`: {
			said: "revoked until 2023-11-15T22:13:20Z: the credentials of the subject ada\\x1b[2J that were issued before 2023-11-14T22:13:20Z\nin force on all instances\n",
		},
		`{"revocation":{"issuer":"https://id.example.com","session_id":"08a5","until_at":1700086400000},"scope":"this_instance"}`: {
			said: "revoked until 2023-11-15T22:13:20Z: the credentials of the session 08a5 from the issuer https://id.example.com\n" +
				"in force on this instance only, until it ends: without Redis, the others are not told\n",
		},
		`{"revocation":{"token_id":"t1","until_at":1700086400000},"scope":"this_instance_until_redis_is_back"}`: {
			said:  "revoked until 2023-11-15T22:13:20Z: the token t1\nin force on this instance; on the others once Redis is available again\n",
			fault: "once Redis is available again",
		},
		`{"revocation":{"tenant":"a","until_at":1700086400000},"scope":"all_instances"}`: {
			said: "revoked until 2023-11-15T22:13:20Z: the credentials of the tenant a\nin force on all instances\n",
		},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if strings.Contains(answer, "until_redis") {
				w.WriteHeader(http.StatusAccepted)
			}
			_, _ = fmt.Fprint(w, answer)
		}))
		t.Cleanup(server.Close)
		for _, asJSON := range []bool{false, true} {
			root := newRoot()
			var out, errs strings.Builder
			root.SetOut(&out)
			root.SetErr(&errs)
			root.SetArgs([]string{"revoke", "--subject", "u", "--admin", server.URL, fmt.Sprintf("--json=%t", asJSON)})
			err := root.ExecuteContext(t.Context())
			if (err != nil) != (want.fault != "") || err != nil && !strings.Contains(err.Error(), want.fault) {
				t.Errorf("%s: %v", answer, err)
			}
			if said := map[bool]string{false: want.said, true: answer + "\n"}[asJSON]; out.String() != said {
				t.Errorf("got %q, want %q", out.String(), said)
			}
		}
	}
}
