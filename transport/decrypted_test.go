package transport_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"sluice/auth"
	"sluice/hub"
	"sluice/hub/envelope"
	"sluice/hub/filter/expr"
	"sluice/hub/record"
	"sluice/transport"
	"sluice/transport/rights"
)

// sealedPaths are what is encrypted in the streams of the test.
var sealedPaths = map[string][]string{
	"orders":      {"/card/number", "/items/*/price", "headers.secret"},
	"hidden":      {"data"},
	"public.news": {"/card/number", "/items/*/price", "headers.secret"},
}

// sealer encrypts, and remembers what it has made.
type sealer struct {
	t      *testing.T
	cipher envelope.Cipher
	made   []string // ciphertexts in base64
}

func newSealer(t *testing.T) *sealer {
	t.Helper()
	text, err := envelope.Create(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	k, err := envelope.NewKeyset(text, nil)
	if err != nil {
		t.Fatal(err)
	}
	cipher, err := envelope.NewCipher(k, envelope.FormatEnvelope, "AES256_GCM")
	if err != nil {
		t.Fatal(err)
	}
	return &sealer{t: t, cipher: cipher}
}

func (s *sealer) decrypter(stream string) *envelope.Decrypter {
	d, err := envelope.New(s.cipher, sealedPaths[stream])
	if err != nil {
		s.t.Fatal(err)
	}
	return d
}

func (s *sealer) seal(context, plaintext string) []byte {
	text, err := s.cipher.Encrypt([]byte(plaintext), []byte(context))
	if err != nil {
		s.t.Fatal(err)
	}
	s.made = append(s.made, s.base64(text))
	return text
}

func (s *sealer) base64(ciphertext []byte) string {
	return base64.StdEncoding.EncodeToString(ciphertext)
}

func (s *sealer) field(context, plaintext string) string {
	return `"` + s.base64(s.seal(context, plaintext)) + `"`
}

// record returns record n of a stream. What is encrypted in every fifth cannot be
// decrypted.
func (s *sealer) record(stream string, n int) record.Record {
	context := stream
	if n%5 == 4 {
		context = "elsewhere"
	}
	made := record.Record{Key: []byte("k"), Timestamp: time.Now().UnixMilli()}
	if stream == "hidden" {
		made.Value = s.seal(context+":data", fmt.Sprintf(`{"n":%d,"text":"plain-data-%d"}`, n, n))
		return made
	}
	made.Value = fmt.Appendf(nil, `{"n":%d,"card":{"number":%s,"exp":1},"items":[{"price":%s},{}]}`,
		n, s.field(context+":/card/number", fmt.Sprintf(`"plain-card-%d"`, n)), s.field(context+":/items/*/price", fmt.Sprintf(`"plain-price-%d"`, n)))
	made.Headers = []record.Header{
		{Name: []byte("secret"), Value: s.seal(context+":headers.secret", fmt.Sprintf("plain-header-%d", n))},
		{Name: []byte("kind"), Value: []byte("x")},
	}
	return made
}

// reader is a principal of the test, and what it is shown of the encrypted.
type sealedReader struct {
	name, token string
	streams     []string
	shows       []string
}

// byNames allows those to subscribe whom it names, as ACLs do.
type byNames map[string]bool

func (a byNames) Rulings() *auth.Rulings {
	name, err := auth.NewTemplate("{sub}")
	if err != nil {
		panic(err)
	}
	return &auth.Rulings{Name: name, Replay: auth.ReplayUnlimited, Judge: func(name, _ string, action auth.Action, _ string) auth.Verdict {
		if a[name] && action == auth.Subscribe {
			return auth.Allowed
		}
		return auth.Silent
	}}
}

// byHook is a credential that a webhook knows.
type byHook struct{}

func (byHook) Verify(_ context.Context, presented auth.Credential) (*auth.Identity, error) {
	if presented.Token.Reveal() != "of-the-webhook" {
		return nil, auth.ErrOtherCredential
	}
	return &auth.Identity{Issuer: "webhook", Subject: "w", Claims: []byte(`{"role":"hook"}`), ExpiresAt: time.Now().Add(time.Hour), TokenID: "w1"}, nil
}

func startSealed(t *testing.T, s *sealer, more ...auth.Grant) (*instance, *auth.Authenticator, *rights.Rights) {
	t.Helper()
	language, err := expr.New(expr.Limits{Bytes: 4 << 10, Cost: 1000, Memory: 8 << 20})
	if err != nil {
		t.Fatal(err)
	}
	rulings := byNames{"acl": true, "acl-and-grant": true}.Rulings()
	a, err := auth.New(auth.Config{
		Issuers:   []auth.Issuer{{Issuer: "test", Audience: "sluice", Algorithms: []string{auth.HS256}, Secret: secret, AuthorizationDetails: []string{"*"}}},
		Verifiers: []auth.Verifier{byHook{}},
		Authority: fixedRulings{rulings},
		Grants:    more,
	})
	if err != nil {
		t.Fatal(err)
	}
	granted := rights.New(language)
	granted.SetEncrypted(sealedPaths)
	in := start(t, options{
		limits: func(l *transport.Limits) { l.PageCache, l.SessionsPerPrincipal = time.Minute, 0 },
		config: func(c *transport.Config) {
			c.Auth, c.Filters, c.Rights = a, language, granted
			compressing(c)
		},
		stream: func(st *hub.Stream) { st.Decrypt = s.decrypter(st.Name) },
	})
	return in, a, granted
}

type fixedRulings struct{ are *auth.Rulings }

func (f fixedRulings) Rulings() *auth.Rulings { return f.are }

// grantsOfSealed are the grants of TestDecryptedInEveryWay.
func grantsOfSealed() []auth.Grant {
	all := slices.Concat(sealedPaths["orders"], sealedPaths["hidden"])
	reads := []string{"orders", "hidden"}
	of := func(role string) map[string]string { return map[string]string{"role": role} }
	return []auth.Grant{
		{When: of("auditor"), Subscribe: reads, Decrypt: all, Replay: auth.ReplayUnlimited},
		{When: of("billing"), Subscribe: reads, Decrypt: []string{"/card/number"}, Replay: auth.ReplayUnlimited},
		{When: of("support"), Subscribe: reads, Replay: auth.ReplayUnlimited},
		{When: of("masked"), Subscribe: []string{"orders"}, Decrypt: all, Mask: []string{"/card"}, Redact: []string{"headers.secret"}, Replay: auth.ReplayUnlimited},
		// The rows that the first lets be read are all, but its filter is one.
		{When: of("rows"), Subscribe: []string{"orders"}, Filter: `key == "k"`, Decrypt: all, Replay: auth.ReplayUnlimited},
		{When: of("rows"), Subscribe: []string{"orders"}, Filter: "data.n >= 0", Replay: auth.ReplayUnlimited},
		{When: of("own"), Subscribe: []string{"orders"}, Filter: `data.n != 3 || data.card.number == "plain-card-3"`, Decrypt: []string{"/items/*/price"}, Replay: auth.ReplayUnlimited},
		{When: of("publisher"), Subscribe: []string{"hidden"}, Decrypt: all, Replay: auth.ReplayUnlimited},
		{When: of("publisher"), Subscribe: []string{"orders"}, Replay: auth.ReplayUnlimited},
		{When: of("hook"), Subscribe: reads, Replay: auth.ReplayUnlimited},
		{When: of("both"), Subscribe: reads, Decrypt: all, Replay: auth.ReplayUnlimited},
		{Anonymous: true, Subscribe: []string{"public.news"}, Replay: auth.ReplayUnlimited},
	}
}

// TestDecryptedInEveryWay: whichever way a client reads, and whatever gave it the right
// to, it is shown what its grants name of the encrypted, and of the rest neither the
// plaintext nor the ciphertext, nor whether it could be decrypted.
func TestDecryptedInEveryWay(t *testing.T) {
	t.Parallel()
	const records = 20
	s := newSealer(t)
	in, _, _ := startSealed(t, s, grantsOfSealed()...)
	for _, stream := range slices.Sorted(maps.Keys(sealedPaths)) {
		for n := range records {
			in.topics.Append(stream, s.record(stream, n))
		}
	}
	all := slices.Concat(sealedPaths["orders"], sealedPaths["hidden"])
	reads := []string{"orders", "hidden"}
	details := []any{map[string]any{"type": "sluice", "actions": []string{"subscribe"}, "streams": reads, "replay": "unlimited"}}
	as := func(role string) string { return tokenOf(t, role, map[string]any{"role": role}) }
	readers := []sealedReader{
		{"auditor", as("auditor"), reads, all},
		{"a part", as("billing"), reads, []string{"/card/number"}},
		{"no right", as("support"), reads, nil},
		{"redacted", as("masked"), []string{"orders"}, []string{"/items/*/price"}},
		{"of some rows", as("rows"), []string{"orders"}, nil},
		{"of other rows", as("own"), []string{"orders"}, []string{"/items/*/price"}},
		{"on another stream", as("publisher"), []string{"orders"}, nil},
		{"by ACL", tokenOf(t, "acl", nil), reads, nil},
		{"by ACL, and a grant", tokenOf(t, "acl-and-grant", map[string]any{"role": "both"}), reads, all},
		{"by the token", tokenOf(t, "d", map[string]any{"authorization_details": details}), reads, nil},
		{"of the webhook", "of-the-webhook", reads, nil},
		{"anonymous", "", []string{"public.news"}, nil},
	}
	ways := map[string]func(stream, query, token string, n int) string{
		"pages": func(stream, query, token string, _ int) string {
			_, head, body := in.do(http.MethodGet, "/v1/streams/"+stream+"/records?limit=1000&"+query, token, "")
			if head.Get("Cache-Control") != "no-store" {
				t.Errorf("%s may be cached: %v", stream, head)
			}
			return body
		},
		"websocket": func(stream, query, token string, n int) (text string) {
			ws := in.dial("?stream="+stream+"&"+query, token)
			for range n {
				text += fmt.Sprintf("%v\n", ws.until("event"))
			}
			ws.until("caught_up")
			return text
		},
		"events": func(stream, query, token string, n int) (text string) {
			e := in.reads("/v1/streams/"+stream+"/events?"+query, token)
			for range n {
				text += fmt.Sprintf("%v\n", e.until("").json(t))
			}
			return text
		},
		"ndjson": func(stream, query, token string, n int) (text string) {
			e := in.reads("/v1/streams/"+stream+"/events?"+query, token, "Accept", "application/x-ndjson")
			for range n + 1 {
				line, err := e.lines.ReadBytes('\n')
				if err != nil {
					t.Fatal(err)
				}
				text += string(line)
			}
			return text
		},
	}
	marks := map[string]string{"/card/number": "plain-card", "/items/*/price": "plain-price", "headers.secret": "plain-header", "data": "plain-data"}
	for _, r := range readers {
		for _, stream := range r.streams {
			for _, way := range []string{"pages", "websocket", "events", "ndjson"} { // pages end, whatever they have
				if way == "websocket" && r.token == "" {
					continue // it would wait for a token
				}
				read := ways[way]
				for query, n := range map[string]int{"from=earliest": records, "from=last:7": 7, "from=-1h": records, "from=earliest&key=k": records} {
					text := read(stream, query, r.token, n)
					what := fmt.Sprintf("%s, %s, %s, %s", r.name, stream, way, query)
					if strings.Count(text, "partition") < n {
						t.Fatalf("%s: not all events: %s", what, text)
					}
					fails := false
					for _, path := range sealedPaths[stream] {
						shown := slices.Contains(r.shows, path)
						fails = fails || shown
						if strings.Contains(text, marks[path]) != shown {
							t.Errorf("%s: shows %s: %v, want %v: %.400s", what, path, !shown, shown, text)
						}
					}
					if strings.Contains(text, "undecrypted") != fails {
						t.Errorf("%s: tells what could not be decrypted: %v: %.400s", what, !fails, text)
					}
					for _, sealed := range s.made {
						if strings.Contains(text, sealed) || strings.Contains(text, sealed[:40]) {
							t.Fatalf("%s: shows a ciphertext: %.400s", what, text)
						}
					}
				}
			}
		}
	}

	// A filter of the client finds nothing by what is hidden.
	for _, c := range []struct {
		token, filter string
		want          int
	}{
		{as("auditor"), `data.card.number == "plain-card-3"`, 1},
		{as("support"), `data.card.number == "plain-card-3"`, 0},
		{as("support"), `has(data.card.number) || data.items.exists(i, has(i.price)) || "secret" in headers`, 0},
		{as("support"), `!has(data.card.number) && !("secret" in headers)`, records},
		{as("auditor"), `data.card.number == null`, records / 5},
		{as("billing"), `data.card.number == "plain-card-3" && !("secret" in headers)`, 1},
		{tokenOf(t, "acl", nil), `data.card.number != null`, 0},
		{"of-the-webhook", `headers["secret"] == "plain-header-3"`, 0},
	} {
		text := ways["pages"]("orders", "from=earliest&filter="+url.QueryEscape(c.filter), c.token, 0)
		if got := strings.Count(text, `"partition"`); got != c.want {
			t.Errorf("%s finds %d records, want %d: %.300s", c.filter, got, c.want, text)
		}
	}
}

// TestDecryptedPagesAreNotCached: pages of streams in which something is encrypted are
// stored by no cache, also if everybody is shown it.
func TestDecryptedPagesAreNotCached(t *testing.T) {
	t.Parallel()
	for _, decrypt := range [][]string{nil, sealedPaths["public.news"]} {
		s := newSealer(t)
		in, _, granted := startSealed(t, s, auth.Grant{Anonymous: true, Subscribe: []string{"public.news"}, Decrypt: decrypt, Replay: auth.ReplayUnlimited})
		for n := range 10 {
			in.topics.Append("public.news", s.record("public.news", n))
		}
		page := func() (string, string) {
			_, head, body := in.do(http.MethodGet, "/v1/streams/public.news/records?limit=5&from=offset:0:0,1:0", "", "")
			return head.Get("Cache-Control"), body
		}
		if stored, body := page(); stored != "no-store" || strings.Contains(body, "plain") != (decrypt != nil) {
			t.Errorf("decrypt %v: %s %s", decrypt, stored, body)
		}
		// Without regard to what is encrypted, it is hidden all the same.
		granted.SetEncrypted(nil)
		if stored, body := page(); strings.Contains(body, "plain") || strings.Contains(body, s.made[0][:40]) {
			t.Errorf("shown without regard to it: %s %s", stored, body)
		}
	}
}

// TestDecryptionThatChanges: a subscription ends before the next record once its grants
// show more or less of the encrypted, or other things are encrypted.
func TestDecryptionThatChanges(t *testing.T) {
	t.Parallel()
	grant := func(paths ...string) auth.Grant {
		return auth.Grant{When: map[string]string{"role": "user"}, Subscribe: []string{"orders"}, Decrypt: paths}
	}
	for name, c := range map[string]struct {
		before, after auth.Grant
		encrypted     []string
		ends          bool
	}{
		"taken away": {grant("/card/number"), grant(), sealedPaths["orders"], true},
		"given":      {grant(), grant("/card/number"), sealedPaths["orders"], true},
		"encrypted":  {grant("/card/number"), grant("/card/number"), []string{"/card/number"}, true},
		"in another order": {
			grant(sealedPaths["orders"]...), grant(sealedPaths["orders"]...), []string{"headers.secret", "/card/number", "/items/*/price"}, true,
		},
		"unencrypted": {grant("/card/number"), grant("/card/number"), nil, true},
		"the same":    {grant("/card/number", "headers.secret"), grant("headers.secret", "/card/number", "data"), sealedPaths["orders"], false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSealer(t)
			in, a, granted := startSealed(t, s, c.before)
			token := tokenOf(t, "u0", map[string]any{"role": "user"})
			ws := in.dial("?stream=orders", token)
			ws.until("caught_up")
			e := in.reads("/v1/streams/orders/events", token)
			e.until("sluice.caught_up")
			granted.SetEncrypted(map[string][]string{"orders": c.encrypted})
			if err := a.SetGrants([]auth.Grant{c.after}); err != nil {
				t.Fatal(err)
			}
			in.server.RightsChanged()
			in.topics.Append("orders", s.record("orders", 0))
			m := ws.next()
			if !c.ends {
				if m.str("type") != "event" {
					t.Errorf("WebSocket: %v", m)
				}
				e.until("")
				return
			}
			if m.str("type") != "unsubscribed" || m.str("reason") != "rights_changed" {
				t.Errorf("WebSocket: %v", m)
			}
			e.closesWith("rights_changed", "resume", false)
		})
	}
}
