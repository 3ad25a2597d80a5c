package auth_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"sluice/auth"
)

func TestGrantConditions(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		when   map[string]string
		claims map[string]any
		want   bool
	}{
		{"no conditions", nil, nil, true},
		{"equal", map[string]string{"role": "device"}, map[string]any{"role": "device"}, true},
		{"other value", map[string]string{"role": "device"}, map[string]any{"role": "devices"}, false},
		{"letter case", map[string]string{"role": "device"}, map[string]any{"role": "Device"}, false},
		{"name's letter case", map[string]string{"Role": "device"}, map[string]any{"role": "device"}, false},
		{"missing", map[string]string{"role": "device"}, map[string]any{"role": nil}, false},
		{"one of several", map[string]string{"role": "b"}, map[string]any{"role": []string{"a", "b"}}, true},
		{"none of several", map[string]string{"role": "c"}, map[string]any{"role": []string{"a", "b"}}, false},
		{"all of two", map[string]string{"role": "a", "site": "x"}, map[string]any{"role": "a", "site": "x"}, true},
		{"one of two", map[string]string{"role": "a", "site": "x"}, map[string]any{"role": "a", "site": "y"}, false},
		{"scope list", map[string]string{"scope": "live"}, map[string]any{"scope": "a live b"}, true},
		{"scope whole", map[string]string{"scope": "a live"}, map[string]any{"scope": "a live"}, true},
		{"scope part of a word", map[string]string{"scope": "live"}, map[string]any{"scope": "a alive lively"}, false},
		{"scope array", map[string]string{"scope": "live"}, map[string]any{"scope": []string{"a", "live"}}, true},
		{"only scope is a list", map[string]string{"role": "live"}, map[string]any{"role": "a live"}, false},
		{"boolean", map[string]string{"admin": "true"}, map[string]any{"admin": true}, true},
		{"boolean false", map[string]string{"admin": "true"}, map[string]any{"admin": false}, false},
		{"number", map[string]string{"org": "9007199254740993"}, map[string]any{"org": json.Number("9007199254740993")}, true},
		{"number beside it", map[string]string{"org": "9007199254740993"}, map[string]any{"org": json.Number("9007199254740992")}, false},
		{"object", map[string]string{"role": "a"}, map[string]any{"role": map[string]any{"a": "a"}}, false},
		{"array in array", map[string]string{"role": "a"}, map[string]any{"role": []any{[]any{"a"}}}, false},
		{"issuer", map[string]string{"iss": fleet}, nil, true},
		{"other issuer", map[string]string{"iss": provider}, nil, false},
		{"pointer", map[string]string{"/realm_access/roles": "a"}, map[string]any{"realm_access": map[string]any{"roles": []string{"a"}}}, true},
		{"pointer to nothing", map[string]string{"/realm_access/roles": "a"}, map[string]any{"realm_access": "roles"}, false},
		{"pointer escapes", map[string]string{"/a~1b/c~0d/~01": "x"}, map[string]any{"a/b": map[string]any{"c~d": map[string]any{"~1": "x"}}}, true},
		{"dots are no path", map[string]string{"a.b": "x"}, map[string]any{"a": map[string]any{"b": "x"}}, false},
		{"URL as a name", map[string]string{"https://x.example/role": "x"}, map[string]any{"https://x.example/role": "x"}, true},
		// Neither side is ever interpreted as a pattern.
		{"star in the claim", map[string]string{"role": "device"}, map[string]any{"role": "*"}, false},
		{"star in the scope", map[string]string{"scope": "live"}, map[string]any{"scope": "* li*"}, false},
		{"star in the condition", map[string]string{"role": "*"}, map[string]any{"role": "device"}, false},
		{"star in both", map[string]string{"role": "*"}, map[string]any{"role": "*"}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			a := newAuth(t, auth.Grant{When: c.when, Subscribe: []string{"s"}})
			p, err := a.Authenticate(t.Context(), auth.Bearer(fleetToken(c.claims)))
			if err != nil {
				t.Fatal(err)
			}
			if got := p.May(auth.Subscribe, "s"); got != c.want {
				t.Errorf("got %v", got)
			}
		})
	}
}

func TestGrantsAreJoined(t *testing.T) {
	t.Parallel()
	a := newAuth(t,
		auth.Grant{When: map[string]string{"scope": "live"}, Subscribe: []string{"market.*"}, Replay: time.Hour},
		auth.Grant{When: map[string]string{"role": "device"}, Publish: []string{"iot.telemetry"}, Subscribe: []string{"market.ticks"}, Replay: 24 * time.Hour},
		auth.Grant{When: map[string]string{"scope": "other"}, Subscribe: []string{"market.ticks"}, Replay: 2 * time.Hour},
		auth.Grant{When: map[string]string{"role": "boss"}, Subscribe: []string{"*"}, Publish: []string{"*"}, Replay: auth.ReplayUnlimited},
		auth.Grant{When: map[string]string{"role": "x"}, Subscribe: []string{"audit"}, Replay: auth.ReplayUnlimited},
		auth.Grant{Anonymous: true, Subscribe: []string{"public.news"}},
	)
	token := must(a.Authenticate(t.Context(), auth.Bearer(fleetToken(nil))))
	anonymous := must(a.Anonymous("192.0.2.7:4711", ""))
	for _, c := range []struct {
		name                     string
		p                        *auth.Principal
		stream                   string
		subscribe, publish, sees bool
		replay                   time.Duration
	}{
		{"token", token, "market.ticks", true, false, true, 24 * time.Hour},
		{"token", token, "market.other", true, false, true, time.Hour},
		{"token", token, "iot.telemetry", false, true, true, 0},
		{"token", token, "audit", true, false, true, auth.ReplayUnlimited},
		{"token", token, "public.news", true, false, true, 0},
		{"token", token, "secret", false, false, false, 0},
		{"token", token, "", false, false, false, 0},
		{"token", token, "*", false, false, false, 0},
		{"anonymous", anonymous, "public.news", true, false, true, 0},
		{"anonymous", anonymous, "market.ticks", false, false, false, 0},
		{"anonymous", anonymous, "iot.telemetry", false, false, false, 0},
	} {
		if got := c.p.May(auth.Subscribe, c.stream); got != c.subscribe {
			t.Errorf("%s may subscribe to %q: %v", c.name, c.stream, got)
		}
		if got := c.p.May(auth.Publish, c.stream); got != c.publish {
			t.Errorf("%s may publish to %q: %v", c.name, c.stream, got)
		}
		if got := c.p.Sees(c.stream); got != c.sees {
			t.Errorf("%s sees %q: %v", c.name, c.stream, got)
		}
		if got := c.p.Replay(c.stream); got != c.replay {
			t.Errorf("%s replays %q: %v", c.name, c.stream, got)
		}
		if c.p.May(auth.Action(0), c.stream) || c.p.May(auth.Action(9), c.stream) {
			t.Errorf("%s may do what is no action", c.name)
		}
	}
}

func TestPrincipalKeys(t *testing.T) {
	t.Parallel()
	// Data stored under keys must be found again by another version.
	token := sign(jwt.SigningMethodES256, ecKey(), nil, said(provider, map[string]any{"sub": "auth0|7 x"}))
	if key := must(newAuth(t).Authenticate(t.Context(), auth.Bearer(token))).Key(); key != "user:https%3A%2F%2Fid.example.com:auth0%7C7+x" {
		t.Errorf("got key %q", key)
	}
	// Names that collide if they are only concatenated.
	issuers := []string{"a", "a:b", "a%3Ab", "a:b:c"}
	subjects := []string{"c", "b:c", "c:", ":c", "b%3Ac", "c d", "{c}", "c+d", "192.0.2.7"}
	config := auth.Config{Grants: []auth.Grant{{Anonymous: true, Subscribe: []string{"x"}}}}
	for _, issuer := range issuers {
		is := fleetIssuer()
		is.Issuer = issuer
		config.Issuers = append(config.Issuers, is)
	}
	a := must(auth.New(config))
	owners := map[string]string{"anonymous:192.0.2.7": "anonymous"}
	if key := must(a.Anonymous("192.0.2.7", "")).Key(); key != "anonymous:192.0.2.7" {
		t.Errorf("got key %q", key)
	}
	for _, issuer := range issuers {
		for _, subject := range subjects {
			p := must(a.Authenticate(t.Context(), auth.Bearer(fleetToken(map[string]any{"iss": issuer, "sub": subject}))))
			if p.ID() != subject || p.Issuer() != issuer {
				t.Errorf("got %q of %q", p.ID(), p.Issuer())
			}
			if owner, ok := owners[p.Key()]; ok {
				t.Errorf("%q of %q has the key %q of %s", subject, issuer, p.Key(), owner)
			}
			owners[p.Key()] = subject + " of " + issuer
			if strings.ContainsAny(p.Key(), "{} \n") {
				t.Errorf("the key %q has a brace or space", p.Key())
			}
		}
	}
}

func TestAnonymous(t *testing.T) {
	t.Parallel()
	a := must(auth.New(auth.Config{Grants: []auth.Grant{{Anonymous: true, Subscribe: []string{"x"}}}}))
	for address, want := range map[string]string{
		"192.0.2.7:4711":          "192.0.2.7",
		"192.0.2.7":               "192.0.2.7",
		"[2001:db8::1]:4711":      "2001:db8::1",
		"[::ffff:192.0.2.7]:4711": "192.0.2.7",
		"[fe80::1%eth0]:4711":     "fe80::1",
		"@":                       "@",
	} {
		p, err := a.Anonymous(address, "")
		if err != nil || p.ID() != want || !p.Anonymous() || !p.ExpiresAt().IsZero() || p.Issuer() != "" {
			t.Errorf("%s: got %+v, %v", address, p, err)
		}
	}
	if _, err := a.Anonymous("", ""); !errors.Is(err, auth.ErrUnauthenticated) {
		t.Errorf("no address: %v", err)
	}
	closed := newAuth(t, auth.Grant{Subscribe: []string{"x"}})
	if _, err := closed.Anonymous("192.0.2.7", ""); !errors.Is(err, auth.ErrUnauthenticated) {
		t.Errorf("without an anonymous grant: %v", err)
	}
}

// TestQuotasOfGrants: of the grants that let a principal publish to a stream, the first that
// has a quota counts.
func TestQuotasOfGrants(t *testing.T) {
	t.Parallel()
	a := newAuth(t,
		auth.Grant{When: map[string]string{"role": "other"}, Publish: []string{"*"}, Quota: "other"},
		auth.Grant{When: map[string]string{"role": "device"}, Publish: []string{"orders"}},
		auth.Grant{When: map[string]string{"role": "device"}, Publish: []string{"iot.*"}, Quota: "first"},
		auth.Grant{When: map[string]string{"role": "device"}, Subscribe: []string{"read"}, Publish: []string{"*"}, Quota: "second"},
	)
	device, err := a.Authenticate(t.Context(), auth.Bearer(fleetToken(map[string]any{"role": "device"})))
	if err != nil {
		t.Fatal(err)
	}
	nobody, err := a.Authenticate(t.Context(), auth.Bearer(fleetToken(map[string]any{"role": "nobody"})))
	if err != nil {
		t.Fatal(err)
	}
	for stream, want := range map[string]string{"iot.telemetry": "first", "orders": "second", "read": "second"} {
		if got := device.Quota(stream); got != want {
			t.Errorf("%s: %q, want %q", stream, got, want)
		}
		if got := nobody.Quota(stream); got != "" {
			t.Errorf("%s: %q without a right", stream, got)
		}
	}
	if _, err := auth.New(auth.Config{Grants: []auth.Grant{{Anonymous: true, Subscribe: []string{"s"}, Quota: "q"}}}); err == nil || !strings.Contains(err.Error(), "quota requires publish") {
		t.Errorf("got %v", err)
	}
}
