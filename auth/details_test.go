package auth_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"sluice/auth"
)

// TestAuthorizationDetails: a token grants rights itself only where its issuer is
// configured to, and a detail that is not understood grants nothing.
func TestAuthorizationDetails(t *testing.T) {
	t.Parallel()
	details := func(members ...any) map[string]any { return map[string]any{"authorization_details": members} }
	one := func(more map[string]any) map[string]any {
		members := map[string]any{"type": "sluice", "actions": []any{"subscribe"}, "streams": []any{"market.ticks"}}
		for name, value := range more {
			members[name] = value
		}
		return members
	}
	for name, c := range map[string]struct {
		claims  map[string]any
		refused bool
		want    []auth.Allowance // on market.ticks, to subscribe
		publish bool             // on market.ticks
	}{
		"none":               {claims: nil},
		"a stream":           {claims: details(one(nil)), want: []auth.Allowance{{}}},
		"filter and replay":  {claims: details(one(map[string]any{"filter": "key == claims.sub", "replay": "24h"})), want: []auth.Allowance{{Filter: "key == claims.sub", Replay: 24 * time.Hour}}},
		"unlimited":          {claims: details(one(map[string]any{"replay": "unlimited"})), want: []auth.Allowance{{Replay: auth.ReplayUnlimited}}},
		"both actions":       {claims: details(one(map[string]any{"actions": []any{"subscribe", "publish"}})), want: []auth.Allowance{{}}, publish: true},
		"two details":        {claims: details(one(nil), one(map[string]any{"filter": "true"})), want: []auth.Allowance{{}, {Filter: "true"}}},
		"publish only":       {claims: details(one(map[string]any{"actions": []any{"publish"}})), publish: true},
		"another type":       {claims: details(map[string]any{"type": "account"})},
		"a stream not named": {claims: details(one(map[string]any{"streams": []any{"orders"}}))},
		"some not named":     {claims: details(one(map[string]any{"streams": []any{"orders", "market.ticks"}})), want: []auth.Allowance{{}}},
		"a pattern":          {claims: details(one(map[string]any{"streams": []any{"market.*"}})), refused: true},
		"no streams":         {claims: details(one(map[string]any{"streams": []any{}})), refused: true},
		"an unknown action":  {claims: details(one(map[string]any{"actions": []any{"own"}})), refused: true},
		"an unknown field":   {claims: details(one(map[string]any{"not_before": 7})), refused: true},
		"decryption":         {claims: details(one(map[string]any{"decrypt": []any{"/card"}})), refused: true},
		"null":               {claims: details(one(map[string]any{"filter": nil})), refused: true},
		"a bad span":         {claims: details(one(map[string]any{"replay": "-1h"})), refused: true},
		"no list":            {claims: map[string]any{"authorization_details": "x"}, refused: true},
		"no object":          {claims: details("x"), refused: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			is := fleetIssuer()
			is.AuthorizationDetails = []string{"market.*"}
			a := must(auth.New(auth.Config{Issuers: []auth.Issuer{is}}))
			p, err := a.Authenticate(t.Context(), auth.Bearer(fleetToken(c.claims)))
			if c.refused || err != nil {
				if !c.refused || !errors.Is(err, auth.ErrUnauthenticated) {
					t.Fatalf("refused: %v, want %v", err, c.refused)
				}
				return
			}
			got := p.Allowances(auth.Subscribe, "market.ticks")
			if len(got) != len(c.want) {
				t.Fatalf("allowances %+v, want %+v", got, c.want)
			}
			for i := range got {
				if got[i] != c.want[i] {
					t.Errorf("allowance %+v, want %+v", got[i], c.want[i])
				}
			}
			if p.May(auth.Publish, "market.ticks") != c.publish || p.Sees("orders") {
				t.Errorf("publish %v, sees orders %v", p.May(auth.Publish, "market.ticks"), p.Sees("orders"))
			}
			// An issuer that is not configured to grant rights grants none.
			plain := must(auth.New(auth.Config{Issuers: []auth.Issuer{fleetIssuer()}}))
			if p := must(plain.Authenticate(t.Context(), auth.Bearer(fleetToken(c.claims)))); p.Sees("market.ticks") {
				t.Error("an issuer that may not grant rights has granted one")
			}
		})
	}
}

// TestRefresh: a principal has the rights that are in force when it is refreshed.
func TestRefresh(t *testing.T) {
	t.Parallel()
	open := auth.Grant{Anonymous: true, Subscribe: []string{"news"}}
	a := must(auth.New(auth.Config{
		Issuers: []auth.Issuer{fleetIssuer()},
		Grants:  []auth.Grant{open, {Subscribe: []string{"orders"}, Filter: "key == claims.sub"}},
	}))
	p := must(a.Authenticate(t.Context(), auth.Bearer(fleetToken(nil))))
	if same := must(a.Refresh(p)); same != p {
		t.Error("nothing has changed, and the principal is another")
	}
	nobody := must(a.Anonymous("192.0.2.1", ""))
	if err := a.SetGrants([]auth.Grant{{Subscribe: []string{"orders"}, Filter: "false"}}); err != nil {
		t.Fatal(err)
	}
	now := must(a.Refresh(p))
	if now.Key() != p.Key() || now.Sees("news") || now.Allowances(auth.Subscribe, "orders")[0].Filter != "false" || !now.ExpiresAt().Equal(p.ExpiresAt()) {
		t.Errorf("rights %+v", now.Allowances(auth.Subscribe, "orders"))
	}
	if _, err := a.Refresh(nobody); !errors.Is(err, auth.ErrUnauthenticated) {
		t.Errorf("an anonymous principal without a grant: %v", err)
	}
	changed := fleetIssuer()
	changed.Audience = "another"
	if err := a.SetIssuers([]auth.Issuer{changed}); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Refresh(p); !errors.Is(err, auth.ErrUnauthenticated) {
		t.Errorf("a token for another audience: %v", err)
	}
}

// TestFiltersOfDetails: a token with a filter that cannot be used is refused, and neither the
// log nor the client is told what is in it.
func TestFiltersOfDetails(t *testing.T) {
	t.Parallel()
	is := fleetIssuer()
	is.AuthorizationDetails = []string{"market.*"}
	var asked []string
	a := must(auth.New(auth.Config{Issuers: []auth.Issuer{is}, CheckFilter: func(action auth.Action, filter string) error {
		asked = append(asked, action.String()+" "+filter)
		if filter == "bad" || action == auth.Publish && filter == "offset > 1" {
			return errors.New("line 1, column 7")
		}
		return nil
	}}))
	for _, c := range []struct {
		actions []any
		stream  string
		filter  string
		refused bool
	}{
		{[]any{"subscribe"}, "market.ticks", "good", false},
		{[]any{"subscribe"}, "market.ticks", "bad", true},
		{[]any{"publish"}, "market.ticks", "bad", true},
		{[]any{"subscribe"}, "market.ticks", "offset > 1", false},
		{[]any{"subscribe", "publish"}, "market.ticks", "offset > 1", true},
		{[]any{"subscribe"}, "market.ticks", "", false},
		{[]any{"subscribe"}, "orders", "bad", false}, // for another server, and ignored
	} {
		asked = nil
		_, err := a.Authenticate(t.Context(), auth.Bearer(fleetToken(map[string]any{"authorization_details": []any{
			map[string]any{"type": "sluice", "actions": c.actions, "streams": []any{c.stream}, "filter": c.filter},
		}})))
		if refused := errors.Is(err, auth.ErrUnauthenticated); refused != c.refused || !refused && err != nil {
			t.Errorf("%+v: %v", c, err)
		}
		if err != nil && (strings.Contains(err.Error(), c.filter) || !strings.Contains(err.Error(), "line 1, column 7")) {
			t.Errorf("%+v: the error is %q", c, err)
		}
		if c.stream == "market.ticks" && c.filter != "" && !strings.Contains(strings.Join(asked, ","), c.filter) {
			t.Errorf("%+v: checked were %q", c, asked)
		}
	}
}

// TestDetailsThatAreThereTwice: parsers differ about which of two members counts, and so
// neither does.
func TestDetailsThatAreThereTwice(t *testing.T) {
	t.Parallel()
	details := must(auth.NewDetails([]string{"orders"}, nil))
	const right = `{"type":"sluice","actions":["subscribe"],"streams":["orders"],"filter":"false"%s}`
	for name, text := range map[string]string{
		"once":             `{"authorization_details":[` + strings.Replace(right, "%s", "", 1) + `]}`,
		"a filter":         `{"authorization_details":[` + strings.Replace(right, "%s", `,"filter":"true"`, 1) + `]}`,
		"another spelling": `{"authorization_details":[` + strings.Replace(right, "%s", `,"\u0066ilter":"true"`, 1) + `]}`,
		"the details":      `{"authorization_details":[],"authorization_details":[` + strings.Replace(right, "%s", "", 1) + `]}`,
		"another claim":    `{"role":"a","role":"b"}`,
	} {
		grants, err := details.Grants([]byte(text))
		if refused := errors.Is(err, auth.ErrUnauthenticated); refused != (name != "once") || len(grants) > 0 != (name == "once") {
			t.Errorf("%s: %v, %v", name, grants, err)
		}
	}
}
