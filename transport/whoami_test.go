package transport_test

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"sluice/auth"
)

// TestPrincipal: everybody can see who they are, and nothing of anybody else.
func TestPrincipal(t *testing.T) {
	t.Parallel()
	in := start(t, options{})
	for name, tt := range map[string]struct {
		token     string
		principal string
		admin     bool
		expires   bool
	}{
		"anonymous": {"", "", false, false},
		"a user":    {token(t, "u42", "live", time.Hour), "u42", false, true},
		"no rights": {token(t, "n", "nothing", time.Hour), "n", false, true},
		"an admin":  {token(t, "op", "operate", time.Hour), "op", true, true},
	} {
		status, head, body := in.do(http.MethodGet, "/v1/principal", tt.token, "")
		var got message
		if err := json.Unmarshal([]byte(body), &got); err != nil || status != http.StatusOK || head.Get("Cache-Control") != "no-store" {
			t.Fatalf("%s: got %d %s", name, status, body)
		}
		ends, has := got["expires_at"].(float64)
		if got.str("principal") != tt.principal || got["anonymous"] != (tt.token == "") || got["admin"] != tt.admin || has != tt.expires ||
			has && time.Until(time.UnixMilli(int64(ends))) > time.Hour+time.Minute {
			t.Errorf("%s: got %s", name, body)
		}
	}
	status, head, body := in.do(http.MethodGet, "/v1/principal", "not.a.token", "")
	in.problem(t, status, head, body, http.StatusUnauthorized, "unauthenticated")
	status, head, body = in.do(http.MethodGet, "/v1/principal?of=u42", token(t, "op", "operate", time.Hour), "")
	in.problem(t, status, head, body, http.StatusBadRequest, "bad_request")
}

// TestStreamsTellWhatIsLeftOut: a client is told that it is not shown everything.
func TestStreamsTellWhatIsLeftOut(t *testing.T) {
	t.Parallel()
	grant := func(role string, g auth.Grant) auth.Grant {
		g.When, g.Subscribe = map[string]string{"role": role}, []string{"orders"}
		return g
	}
	o, _ := withFilters(t,
		grant("own", auth.Grant{Filter: "key == claims.sub"}),
		grant("support", auth.Grant{Redact: []string{"/card"}}),
		grant("both", auth.Grant{Filter: "key == claims.sub", Mask: []string{"/card"}}),
		grant("all", auth.Grant{}),
		auth.Grant{When: map[string]string{"role": "writer"}, Publish: []string{"orders"}},
	)
	in := start(t, o)
	for role, want := range map[string][2]bool{
		"own": {true, false}, "support": {false, true}, "both": {true, true}, "all": {false, false}, "writer": {false, false},
	} {
		_, _, body := in.do(http.MethodGet, "/v1/streams/orders", tokenOf(t, "u", map[string]any{"role": role}), "")
		var got struct{ Filtered, Redacted bool }
		if err := json.Unmarshal([]byte(body), &got); err != nil || got.Filtered != want[0] || got.Redacted != want[1] {
			t.Errorf("%s: got %s", role, body)
		}
	}
}
