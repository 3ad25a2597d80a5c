package auth_test

import (
	"testing"
	"time"

	"sluice/auth"
)

// TestPatternsDoNotMatchStreamsByName: rights on a stream of Config.ByName are given by
// its name only, for every action, to every kind of principal, and after the grants have
// been replaced.
func TestPatternsDoNotMatchStreamsByName(t *testing.T) {
	t.Parallel()
	for text, named := range map[string]bool{
		"audit": true, "*": false, "a*": false, "*t": false, "audit*": false, "*audit": false, "au*dit": false,
	} {
		grants := []auth.Grant{{Anonymous: true, Subscribe: []string{text}, Publish: []string{text}, Replay: time.Hour}}
		a, err := auth.New(auth.Config{Grants: grants, ByName: []string{"audit"}})
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			p, err := a.Anonymous("192.0.2.1", "")
			if err != nil {
				t.Fatal(err)
			}
			if got := p.May(auth.Subscribe, "audit"); got != named {
				t.Errorf("%s: may subscribe is %v", text, got)
			}
			if got := p.May(auth.Publish, "audit"); got != named {
				t.Errorf("%s: may publish is %v", text, got)
			}
			if got := p.Sees("audit"); got != named {
				t.Errorf("%s: sees is %v", text, got)
			}
			if got := p.Replay("audit") > 0; got != named {
				t.Errorf("%s: replay is %v", text, got)
			}
			if err := a.SetGrants(grants); err != nil {
				t.Fatal(err)
			}
		}
	}
	// Streams of similar names are matched as usual.
	a, err := auth.New(auth.Config{Grants: []auth.Grant{{Anonymous: true, Subscribe: []string{"audit*"}}}, ByName: []string{"audit"}})
	if err != nil {
		t.Fatal(err)
	}
	if p, err := a.Anonymous("192.0.2.1", ""); err != nil || !p.May(auth.Subscribe, "audit.news") {
		t.Errorf("a pattern does not match another stream, %v", err)
	}
}

// TestTokensGrantStreamsByName: a token carries rights on a stream of Config.ByName only
// if its issuer may grant them on that name, not on a pattern.
func TestTokensGrantStreamsByName(t *testing.T) {
	t.Parallel()
	for text, named := range map[string]bool{"audit": true, "*": false, "aud*": false} {
		is := fleetIssuer()
		is.AuthorizationDetails = []string{text}
		a := must(auth.New(auth.Config{Issuers: []auth.Issuer{is}, ByName: []string{"audit"}}))
		p, err := a.Authenticate(t.Context(), auth.Bearer(fleetToken(map[string]any{"authorization_details": []any{
			map[string]any{"type": "sluice", "actions": []any{"subscribe"}, "streams": []any{"audit"}},
		}})))
		if err != nil {
			t.Fatal(err)
		}
		if got := p.May(auth.Subscribe, "audit"); got != named || len(p.Allowances(auth.Subscribe, "audit")) > 0 != named {
			t.Errorf("%s: the token grants is %v", text, got)
		}
	}
}

// TestAuthorityAllowsStreamsByName: what an authority allows by a pattern, to a super user
// or to everybody, is no right on a stream of Config.ByName, and takes none away.
func TestAuthorityAllowsStreamsByName(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		verdict auth.Verdict
		granted string
		may     bool
		replay  time.Duration
	}{
		{auth.Silent, "*", false, 0},
		{auth.Allowed, "*", false, 0},
		{auth.Allowed, "audit", true, time.Minute},
		{auth.AllowedByName, "*", true, time.Hour},
		{auth.AllowedByName, "audit", true, time.Hour},
		{auth.Denied, "audit", false, 0},
		{auth.Denied + 1, "audit", false, 0},
	} {
		by := &ruled{}
		by.say("User:{sub}", map[string]auth.Verdict{
			"User:u42 subscribe audit": c.verdict, "User:u42 publish audit": c.verdict, "User:u42 subscribe orders": auth.Allowed,
		})
		a := must(auth.New(auth.Config{
			Issuers: []auth.Issuer{fleetIssuer()}, ByName: []string{"audit"}, Authority: by,
			Grants: []auth.Grant{{Subscribe: []string{c.granted}, Publish: []string{c.granted}, Replay: time.Minute}},
		}))
		p := must(a.Authenticate(t.Context(), auth.Bearer(fleetToken(nil))))
		for action, may := range map[auth.Action]bool{auth.Subscribe: p.May(auth.Subscribe, "audit"), auth.Publish: p.May(auth.Publish, "audit")} {
			if may != c.may || len(p.Allowances(action, "audit")) > 0 != c.may {
				t.Errorf("verdict %d, granted %s: may %v is %v, with the allowances %v", c.verdict, c.granted, action, may, p.Allowances(action, "audit"))
			}
		}
		if got := p.Sees("audit"); got != c.may {
			t.Errorf("verdict %d, granted %s: sees is %v", c.verdict, c.granted, got)
		}
		if got := p.Replay("audit"); got != c.replay {
			t.Errorf("verdict %d, granted %s: replay is %v", c.verdict, c.granted, got)
		}
		if !p.May(auth.Subscribe, "orders") {
			t.Errorf("verdict %d: another stream is not allowed", c.verdict)
		}
	}
}
