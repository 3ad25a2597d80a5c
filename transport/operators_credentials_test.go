package transport_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"sluice/auth"
	"sluice/transport"
)

// operatorPaths are the routes of operators, with names of what is not there in them.
func operatorPaths(s *transport.Server) (all []transport.OperatorRoute) {
	names := strings.NewReplacer("{session}", "s_NOPE", "{stream}", "nope", "{name}", "n")
	for _, r := range append(s.OperatorRoutes(), transport.OperatorRoute{Method: http.MethodGet}) {
		r.Path = names.Replace(r.Path)
		all = append(all, r)
	}
	return all
}

// TestOperatorsDoors: every route of operators is tried with every kind of credential in
// every state. Only a valid one is let in, and only if a grant gives its holder the right
// to operate, whatever other rights it has.
func TestOperatorsDoors(t *testing.T) {
	t.Parallel()
	for _, admin := range []bool{false, true} {
		w := newWorld(t, true)
		grants := []auth.Grant{{Subscribe: []string{"*"}, Publish: []string{"*"}, Replay: auth.ReplayUnlimited}}
		if admin {
			grants = append(grants, auth.Grant{When: map[string]string{"sub": "u1"}, Admin: true})
		}
		if err := w.auth.SetGrants(grants); err != nil {
			t.Fatal(err)
		}
		for _, s := range w.schemes() {
			for _, state := range states {
				name := s.name + ", " + state
				if admin {
					name += ", with the right"
				}
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					for _, r := range operatorPaths(w.in.server) {
						status, code, _ := w.sends(t, s.present(state), r.Method, "/v1/admin"+r.Path, false)
						in := status != 0 && status != http.StatusUnauthorized && status != http.StatusForbidden
						switch {
						case in != (state == "valid" && admin):
							t.Errorf("%s %s: %d %s", r.Method, r.Path, status, code)
						case state == "valid" && !admin && (status != http.StatusForbidden || code != "forbidden"):
							t.Errorf("%s %s: %d %s", r.Method, r.Path, status, code)
						}
					}
				})
			}
		}
	}
}

// TestOperatorsWithoutACredential: an anonymous grant lets in who asks on loopback for
// localhost or an address, and nobody by another name.
func TestOperatorsWithoutACredential(t *testing.T) {
	t.Parallel()
	open := func(c *transport.Config) {
		c.Auth = must(auth.New(auth.Config{Grants: []auth.Grant{{Anonymous: true, Admin: true, Subscribe: []string{"*"}}}}))
	}
	in := start(t, options{config: open})
	far := start(t, options{config: open, pipes: newPipes()}) // its addresses are not on loopback
	for host, let := range map[string]bool{"127.0.0.1": true, "sluice.example.com": false} {
		if _, _, body := in.do(http.MethodGet, "/v1/principal", "", "", "Host", host); strings.Contains(body, `"admin":true`) != let {
			t.Errorf("at %s it is %s", host, body)
		}
	}
	for _, r := range operatorPaths(in.server) {
		for host, let := range map[string]bool{"127.0.0.1": true, "localhost:8080": true, "sluice.example.com": false, "localhost.example.com": false} {
			status, _, body := in.do(r.Method, "/v1/admin"+r.Path, "", "", "Host", host)
			if (status != http.StatusForbidden) != let {
				t.Errorf("%s %s at %s: %d %s", r.Method, r.Path, host, status, body)
			}
		}
		if status, _, body := far.do(r.Method, "/v1/admin"+r.Path, "", "", "Host", "localhost"); status != http.StatusForbidden {
			t.Errorf("%s %s from elsewhere: %d %s", r.Method, r.Path, status, body)
		}
		// A tunnel or proxy on this machine, which may set the host that it likes, brings others.
		for _, name := range []string{"X-Forwarded-For", "X-Forwarded-Proto", "Forwarded", "Via", "X-Real-IP"} {
			if status, _, body := in.do(r.Method, "/v1/admin"+r.Path, "", "", name, "198.51.100.1"); status != http.StatusForbidden {
				t.Errorf("%s %s with %s: %d %s", r.Method, r.Path, name, status, body)
			}
		}
		status, _, body := in.do(r.Method, "/v1/admin"+r.Path, "", "", "Origin", "https://evil.example.com", "Sec-Fetch-Site", "cross-site")
		if r.Acts && status != http.StatusForbidden {
			t.Errorf("%s %s for a page: %d %s", r.Method, r.Path, status, body)
		}
	}
}

// TestOperatorsCookie: a page of a listed origin operates with the cookie of its user, and
// no other page does.
func TestOperatorsCookie(t *testing.T) {
	t.Parallel()
	in := start(t, options{})
	cookie := auth.CookieName + "=" + operatorToken(t)
	for _, r := range operatorPaths(in.server) {
		for origin, let := range map[string]bool{"https://app.example.com": true, "https://evil.example.com": false, "": false} {
			header := []string{"Cookie", cookie}
			if origin != "" {
				header = append(header, "Origin", origin, "Sec-Fetch-Site", "cross-site")
			}
			status, _, body := in.do(r.Method, "/v1/admin"+r.Path, "", "", header...)
			if (status != http.StatusForbidden && status != http.StatusUnauthorized) != let {
				t.Errorf("%s %s for %q: %d %s", r.Method, r.Path, origin, status, body)
			}
		}
	}
}

// TestOperatorsTenants: what concerns the whole instance is refused to who has a tenant.
func TestOperatorsTenants(t *testing.T) {
	t.Parallel()
	in := start(t, options{config: func(c *transport.Config) {
		c.Auth = must(auth.New(auth.Config{
			Issuers: []auth.Issuer{{Issuer: "test", Audience: "sluice", Algorithms: []string{auth.HS256}, Secret: secret}},
			Grants:  []auth.Grant{{When: map[string]string{"sub": "op"}, Admin: true}},
			Tenancy: auth.Tenancy{Claim: "tenant"},
		}))
	}})
	for _, r := range operatorPaths(in.server) {
		status, _, body := in.do(r.Method, "/v1/admin"+r.Path, tenantToken(t, "op", "a"), "")
		if (status == http.StatusForbidden) != r.Whole {
			t.Errorf("%s %s: %d %s", r.Method, r.Path, status, body)
		}
	}
}

// TestOperatorsRoutesOnTheAdminListener: it has the same routes, and neither shows
// principals to a page there nor acts for one.
func TestOperatorsRoutesOnTheAdminListener(t *testing.T) {
	t.Parallel()
	in := start(t, options{})
	for _, r := range operatorPaths(in.server) {
		if r.Elsewhere || r.Path == "" {
			continue
		}
		status, m, body := in.operate(r.Method, r.Path, "")
		if status == http.StatusForbidden || m.str("code") == "unknown_path" || m.str("code") == "method_not_allowed" {
			t.Errorf("%s %s: %d %s", r.Method, r.Path, status, body)
		}
		status, _, body = in.operate(r.Method, r.Path, "", "Sec-Fetch-Site", "same-origin")
		if (status == http.StatusForbidden) != (r.Acts || r.Named) {
			t.Errorf("%s %s for a page: %d %s", r.Method, r.Path, status, body)
		}
		if status, _, body = in.operate(r.Method, r.Path, "", "Host", "evil.example.com"); status != http.StatusForbidden {
			t.Errorf("%s %s at another host: %d %s", r.Method, r.Path, status, body)
		}
	}
}

// TestOperatorsDoorsEndWithARevocation: what an operator's token opened is shut at once.
func TestOperatorsDoorsEndWithARevocation(t *testing.T) {
	t.Parallel()
	in := start(t, options{})
	tok := operatorToken(t)
	in.sessions(tok, "")
	time.Sleep(time.Until(time.Now().Truncate(time.Second).Add(time.Second))) // tokens have whole seconds
	if status, _, body := in.operate(http.MethodPost, "/revocations", `{"subject":"op"}`); status != http.StatusOK {
		t.Fatalf("got %d %s", status, body)
	}
	for _, r := range operatorPaths(in.server) {
		status, head, body := in.do(r.Method, "/v1/admin"+r.Path, tok, "")
		in.problem(t, status, head, body, http.StatusUnauthorized, "revoked")
	}
}

// TestInstanceIsShown: what the instance says of itself, and its metrics.
func TestInstanceIsShown(t *testing.T) {
	t.Parallel()
	in := start(t, options{config: func(c *transport.Config) { c.Instance, c.Version = "host-1", "v1.2.3" }})
	s := in.dial("", operatorToken(t))
	s.until("welcome")
	_, _, body := in.do(http.MethodGet, "/v1/admin/instance", operatorToken(t), "")
	if !strings.HasPrefix(body, `{"instance":"host-1","version":"v1.2.3","started":`) || !strings.Contains(body, `"sessions":1,"ready":{"checks":{"drain":"ok"},"ready":true}`) {
		t.Errorf("got %s", body)
	}
	if _, _, body = in.do(http.MethodGet, "/v1/admin/metrics", operatorToken(t), ""); !strings.Contains(body, "sluice_sessions{") {
		t.Errorf("got %s", body)
	}
	_, _, body = in.do(http.MethodGet, "/v1/admin", operatorToken(t), "")
	for _, r := range in.server.OperatorRoutes() {
		if !strings.Contains(body, `"path":"/v1/admin`+r.Path+`"`) {
			t.Errorf("%s is not in the index %s", r.Path, body)
		}
	}
}
