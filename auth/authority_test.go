package auth_test

import (
	"sync/atomic"
	"testing"
	"time"
	"unicode/utf8"

	"sluice/auth"
)

// ruled is an Authority whose Rulings can be replaced.
type ruled struct{ now atomic.Pointer[auth.Rulings] }

func (r *ruled) Rulings() *auth.Rulings { return r.now.Load() }

// say replaces the rulings: verdicts by name, action and stream, such as
// "User:u42 subscribe orders".
func (r *ruled) say(template string, verdicts map[string]auth.Verdict) *auth.Rulings {
	made := &auth.Rulings{
		Name: must(auth.NewTemplate(template)),
		Judge: func(name, _ string, action auth.Action, stream string) auth.Verdict {
			return verdicts[name+" "+action.String()+" "+stream]
		},
		Replay: time.Hour,
	}
	r.now.Store(made)
	return made
}

func newRuled(t testing.TB, by auth.Authority, grants ...auth.Grant) *auth.Authenticator {
	t.Helper()
	return must(auth.New(auth.Config{Issuers: []auth.Issuer{fleetIssuer()}, Grants: grants, Authority: by}))
}

// TestAuthorityAndGrants: what the authority allows is added to the grants, and what it
// denies is taken away.
func TestAuthorityAndGrants(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		verdict   auth.Verdict // on subscribing to orders
		grants    []auth.Grant
		subscribe bool
		publish   bool
		replay    time.Duration
	}{
		"silent":                    {verdict: auth.Silent},
		"silent, granted":           {verdict: auth.Silent, grants: []auth.Grant{{Subscribe: []string{"*"}, Replay: time.Minute}}, subscribe: true, replay: time.Minute},
		"allowed":                   {verdict: auth.Allowed, subscribe: true, replay: time.Hour},
		"allowed and granted more":  {verdict: auth.Allowed, grants: []auth.Grant{{Subscribe: []string{"*"}, Replay: 2 * time.Hour}}, subscribe: true, replay: 2 * time.Hour},
		"allowed and granted less":  {verdict: auth.Allowed, grants: []auth.Grant{{Subscribe: []string{"*"}, Replay: time.Minute}}, subscribe: true, replay: time.Hour},
		"denied":                    {verdict: auth.Denied},
		"denied, granted":           {verdict: auth.Denied, grants: []auth.Grant{{Subscribe: []string{"orders"}, Replay: time.Hour}}},
		"denied, granted anonymous": {verdict: auth.Denied, grants: []auth.Grant{{Anonymous: true, Subscribe: []string{"orders"}}}},
		"denied one action only":    {verdict: auth.Denied, grants: []auth.Grant{{Subscribe: []string{"orders"}, Publish: []string{"orders"}}}, publish: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			by := &ruled{}
			by.say("User:{sub}", map[string]auth.Verdict{"User:u42 subscribe orders": c.verdict, "User:other publish orders": auth.Allowed})
			p := must(newRuled(t, by, c.grants...).Authenticate(t.Context(), auth.Bearer(fleetToken(nil))))
			if got := p.May(auth.Subscribe, "orders"); got != c.subscribe {
				t.Errorf("may subscribe: %v", got)
			}
			if got := p.May(auth.Publish, "orders"); got != c.publish {
				t.Errorf("may publish: %v", got)
			}
			if got := p.Sees("orders"); got != (c.subscribe || c.publish) {
				t.Errorf("sees: %v", got)
			}
			if got := p.Replay("orders"); got != c.replay {
				t.Errorf("replay %v, want %v", got, c.replay)
			}
			var furthest time.Duration
			all := p.Allowances(auth.Subscribe, "orders")
			for _, one := range all {
				furthest = max(furthest, one.Replay)
			}
			if (len(all) > 0) != c.subscribe || furthest != c.replay || (len(p.Allowances(auth.Publish, "orders")) > 0) != c.publish {
				t.Errorf("allowances %+v", all)
			}
			if p.May(0, "orders") || p.Undecided() {
				t.Errorf("an unknown action: %v; undecided: %v", p.May(0, "orders"), p.Undecided())
			}
		})
	}
}

// TestAuthorityOnAnonymous: a client without a credential has the name "".
func TestAuthorityOnAnonymous(t *testing.T) {
	t.Parallel()
	by := &ruled{}
	by.say("User:{sub}", map[string]auth.Verdict{" subscribe secret": auth.Denied})
	a := newRuled(t, by, auth.Grant{Anonymous: true, Subscribe: []string{"*"}})
	p := must(a.Anonymous("192.0.2.1", ""))
	by.say("User:{sub}", nil)
	if now := must(a.Refresh(p)); a.InForce(p) || !now.May(auth.Subscribe, "secret") {
		t.Error("an anonymous principal is not refreshed")
	}
	if !p.May(auth.Subscribe, "news") || p.May(auth.Subscribe, "secret") {
		t.Errorf("news: %v, secret: %v", p.May(auth.Subscribe, "news"), p.May(auth.Subscribe, "secret"))
	}
}

// TestRulingsAreReplaced: a principal keeps its rights, and the next one of the same
// token has those in force. With the same rulings it is the same principal.
func TestRulingsAreReplaced(t *testing.T) {
	t.Parallel()
	by := &ruled{}
	by.say("User:{sub}", map[string]auth.Verdict{"User:u42 subscribe orders": auth.Allowed})
	a := newRuled(t, by)
	credential := auth.Bearer(fleetToken(nil))
	p := must(a.Authenticate(t.Context(), credential))
	if again := must(a.Authenticate(t.Context(), credential)); again != p {
		t.Error("the same rulings made another principal")
	}
	if !a.InForce(p) {
		t.Error("nothing has changed, and the rights are not in force")
	}
	by.say("User:{sub}", nil).Incomplete = true
	now := must(a.Authenticate(t.Context(), credential))
	if refreshed := must(a.Refresh(p)); refreshed != now || a.InForce(p) || !a.InForce(now) {
		t.Errorf("refreshed to the same: %v; in force before: %v, now: %v", refreshed == now, a.InForce(p), a.InForce(now))
	}
	if !p.May(auth.Subscribe, "orders") || now.May(auth.Subscribe, "orders") {
		t.Errorf("before: %v, now: %v", p.May(auth.Subscribe, "orders"), now.May(auth.Subscribe, "orders"))
	}
	if p.Undecided() || !now.Undecided() {
		t.Errorf("undecided before: %v, now: %v", p.Undecided(), now.Undecided())
	}
}

// nameOf returns the name that a template makes of a token's claims.
func nameOf(t testing.TB, template string, claims map[string]any) (name string) {
	t.Helper()
	by := &ruled{}
	by.now.Store(&auth.Rulings{
		Name: must(auth.NewTemplate(template)),
		Judge: func(of, _ string, _ auth.Action, _ string) auth.Verdict {
			name = of
			return auth.Silent
		},
	})
	p, err := newRuled(t, by).Authenticate(t.Context(), auth.Bearer(fleetToken(claims)))
	if err != nil {
		t.Fatal(err)
	}
	p.May(auth.Subscribe, "x")
	return name
}

// TestTemplate: no claim can make a name that is another's, or that is more than a name.
func TestTemplate(t *testing.T) {
	t.Parallel()
	type is = map[string]any
	for name, c := range map[string]struct {
		template string
		claims   is
		want     string
	}{
		"subject":                   {"User:{sub}", nil, "User:u42"},
		"issuer and subject":        {"User:{iss}/{sub}", nil, "User:fleet/u42"},
		"text behind":               {"User:{sub}@example.com", nil, "User:u42@example.com"},
		"a claim":                   {"User:{email}", is{"email": "a@example.com"}, "User:a@example.com"},
		"a distinguished name":      {"User:{dn}", is{"dn": "CN=Ann Ö,OU=x"}, "User:CN=Ann Ö,OU=x"},
		"a colon":                   {"User:{x}", is{"x": "a:b"}, "User:a:b"},
		"a nested claim":            {"User:{/realm/user}", is{"realm": is{"user": "ann"}}, "User:ann"},
		"an escaped pointer":        {"User:{/a~1b}", is{"a/b": "ann"}, "User:ann"},
		"a number":                  {"User:{uid}", is{"uid": 1001}, "User:1001"},
		"two claims":                {"User:{tenant}.{sub}", is{"tenant": "a"}, "User:a.u42"},
		"no claim":                  {"User:{email}", nil, ""},
		"one of two is missing":     {"User:{tenant}.{sub}", nil, ""},
		"an empty claim":            {"User:{x}", is{"x": ""}, ""},
		"a list":                    {"User:{x}", is{"x": []any{"ann"}}, ""},
		"an object":                 {"User:{x}", is{"x": is{"y": "ann"}}, ""},
		"a boolean":                 {"User:{x}", is{"x": true}, ""},
		"everybody":                 {"User:{x}", is{"x": "*"}, ""},
		"an asterisk within":        {"User:{x}", is{"x": "a*"}, ""},
		"a line break":              {"User:{x}", is{"x": "a\nb"}, ""},
		"a NUL":                     {"User:{x}", is{"x": "a\x00"}, ""},
		"a space before":            {"User:{x}", is{"x": " a"}, ""},
		"a space behind":            {"User:{x}", is{"x": "a "}, ""},
		"a space that is none":      {"User:{x}", is{"x": "a\u00a0b"}, ""},
		"nothing to see":            {"User:{x}", is{"x": "a\u200bb"}, ""},
		"another order":             {"User:{x}", is{"x": "a\u202eb"}, ""},
		"too long":                  {"User:{x}", is{"x": long(1020)}, ""},
		"just not too long":         {"User:{x}", is{"x": long(1019)}, "User:" + long(1019)},
		"the separator in a claim":  {"User:{tenant}.{x}", is{"tenant": "a.b", "x": "c"}, ""},
		"the separator in the last": {"User:{tenant}.{x}", is{"tenant": "a", "x": "b.c"}, ""},
		"a part of the separator":   {"User:{tenant}--{x}", is{"tenant": "a-", "x": "b"}, ""},
		"a brace in a claim":        {"User:{x}", is{"x": "{sub}"}, "User:{sub}"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := nameOf(t, c.template, c.claims); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

func long(n int) string {
	text := make([]byte, n)
	for i := range text {
		text[i] = 'a'
	}
	return string(text)
}

func TestTemplateIsChecked(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", "User:all", "User:{sub", "User:sub}", "User:{}", "User:{/}", "User:{{sub}}", "User:{a{b}", "User:{a}{b}",
		"User:*{sub}", "User:\n{sub}", "User:\xff{sub}", "User:{sub}}", "User:" + long(250) + "{sub}",
	} {
		if made, err := auth.NewTemplate(text); err == nil {
			t.Errorf("%q: accepted as %s", text, made)
		}
	}
	if made := must(auth.NewTemplate("User:{tenant}.{/a/b}!")); made.String() != "User:{tenant}.{/a/b}!" {
		t.Errorf("%s", made)
	}
}

// FuzzTemplate: different claims never make the same name.
func FuzzTemplate(f *testing.F) {
	f.Add("a", "b", "c", "d")
	f.Add("a.b", "c", "a", "b.c")
	f.Add("*", "*", "a", "a")
	f.Add("a\u200b", "b", "a", "b")
	by := &ruled{}
	var name string
	by.now.Store(&auth.Rulings{
		Name: must(auth.NewTemplate("User:{x}.-{y}.")),
		Judge: func(of, _ string, _ auth.Action, _ string) auth.Verdict {
			name = of
			return auth.Silent
		},
	})
	a := newRuled(f, by)
	f.Fuzz(func(t *testing.T, x, y, otherX, otherY string) {
		for _, text := range []string{x, y, otherX, otherY} {
			if !utf8.ValidString(text) {
				return // encoding/json would replace it, in the test's token
			}
		}
		of := func(x, y string) string {
			name = "none"
			if p, err := a.Authenticate(t.Context(), auth.Bearer(fleetToken(map[string]any{"x": x, "y": y}))); err == nil {
				p.May(auth.Subscribe, "s")
			}
			return name
		}
		one, other := of(x, y), of(otherX, otherY)
		if one == other && one != "" && one != "none" && (x != otherX || y != otherY) {
			t.Errorf("%q %q and %q %q make the same name %q", x, y, otherX, otherY, one)
		}
	})
}
