package dpop_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"go.uber.org/goleak"

	"sluice/auth"
	"sluice/auth/dpop"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	token = "opaque"
	asked = "https://sluice.example.com/v1/streams/orders/records"
)

var b64 = base64.RawURLEncoding.EncodeToString

func must[T any](made T, err error) T {
	if err != nil {
		panic(err)
	}
	return made
}

// keyPair is a client's key.
type keyPair struct {
	method  jwt.SigningMethod
	private crypto.Signer
	jwk     map[string]any
	// thumbprint is made here from the members as RFC 7638 lists them.
	thumbprint string
	// at is when its proofs are made, zero for now.
	at time.Time
}

func newKey(method jwt.SigningMethod, private crypto.Signer) keyPair {
	k := keyPair{method: method, private: private}
	var required []string
	switch public := private.Public().(type) {
	case *ecdsa.PublicKey:
		point := must(public.Bytes())
		size := (len(point) - 1) / 2
		k.jwk = map[string]any{"kty": "EC", "crv": public.Params().Name, "x": b64(point[1 : 1+size]), "y": b64(point[1+size:])}
		required = []string{"crv", "kty", "x", "y"}
	case ed25519.PublicKey:
		k.jwk = map[string]any{"kty": "OKP", "crv": "Ed25519", "x": b64(public)}
		required = []string{"crv", "kty", "x"}
	case *rsa.PublicKey:
		k.jwk = map[string]any{"kty": "RSA", "n": b64(public.N.Bytes()), "e": b64(big.NewInt(int64(public.E)).Bytes())}
		required = []string{"e", "kty", "n"}
	}
	var members []string
	for _, name := range required {
		members = append(members, fmt.Sprintf("%q:%q", name, k.jwk[name]))
	}
	sum := sha256.Sum256([]byte("{" + strings.Join(members, ",") + "}"))
	k.thumbprint = b64(sum[:])
	return k
}

var (
	ecKey = sync.OnceValue(func() keyPair {
		return newKey(jwt.SigningMethodES256, must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)))
	})
	edKey = sync.OnceValue(func() keyPair {
		_, key, err := ed25519.GenerateKey(rand.Reader)
		return newKey(jwt.SigningMethodEdDSA, must(key, err))
	})
	rsaKey = sync.OnceValue(func() keyPair { return newKey(jwt.SigningMethodRS256, must(rsa.GenerateKey(rand.Reader, 2048))) })
)

// proof makes a valid proof, with changes: nil removes a member.
func (k keyPair) proof(header, claims map[string]any) string {
	sum := sha256.Sum256([]byte(token))
	at := k.at
	if at.IsZero() {
		at = time.Now()
	}
	said := jwt.MapClaims{"jti": rand.Text(), "htm": "GET", "htu": asked, "iat": at.Unix(), "ath": b64(sum[:])}
	made := jwt.NewWithClaims(k.method, said)
	made.Header["typ"], made.Header["jwk"] = "dpop+jwt", k.jwk
	change := func(of, changes map[string]any) {
		for name, value := range changes {
			if of[name] = value; value == nil {
				delete(of, name)
			}
		}
	}
	change(made.Header, header)
	change(said, claims)
	var key any = k.private
	return must(made.SignedString(key))
}

func newProver(t testing.TB, change func(*dpop.Config)) *dpop.Prover {
	t.Helper()
	c := dpop.Config{MaxAge: time.Minute, ClockSkew: 3 * time.Second, Remembered: 1000, PerKey: 100}
	if change != nil {
		change(&c)
	}
	return must(dpop.New(c))
}

func presented(proofs ...string) auth.Credential {
	return auth.Credential{
		Source: auth.FromHeader, Scheme: auth.SchemeDPoP, Token: auth.NewSecret(token),
		Proof: auth.Proof{DPoP: proofs, Method: "GET", URL: asked},
	}
}

type m = map[string]any

func TestProofs(t *testing.T) {
	t.Parallel()
	ec, ed, rs := ecKey(), edKey(), rsaKey()
	short := newKey(jwt.SigningMethodRS256, must(rsa.GenerateKey(rand.Reader, 1024)))
	p384 := newKey(jwt.SigningMethodES384, must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader)))
	other := newKey(jwt.SigningMethodES256, must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)))
	now := time.Now()
	for _, k := range []*keyPair{&ec, &ed, &rs, &short, &p384, &other} {
		k.at = now
	}
	withPrivate := func(k keyPair, name string) m {
		jwk := maps.Clone(k.jwk)
		jwk[name] = b64([]byte("secret"))
		return m{"jwk": jwk}
	}
	// A key for which anybody can sign.
	null := keyPair{thumbprint: "x", jwk: m{"kty": "OKP", "crv": "Ed25519", "x": b64(make([]byte, 32))}}
	symmetric := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"jti": "a"})
	symmetric.Header["typ"], symmetric.Header["jwk"] = "dpop+jwt", m{"kty": "oct", "k": b64([]byte("k"))}
	unsigned := jwt.NewWithClaims(jwt.SigningMethodNone, jwt.MapClaims{"jti": "a"})
	unsigned.Header["typ"], unsigned.Header["jwk"] = "dpop+jwt", ec.jwk
	swapped := func(valid string) string { // the claims of another proof under this one's signature
		parts, others := strings.Split(valid, "."), strings.Split(ec.proof(nil, m{"jti": "other"}), ".")
		return parts[0] + "." + others[1] + "." + parts[2]
	}
	at := func(d time.Duration) m { return m{"iat": now.Add(d).Unix()} }
	for name, c := range map[string]struct {
		key    keyPair
		proofs []string
		valid  bool
	}{
		"ES256": {ec, []string{ec.proof(nil, nil)}, true},
		"EdDSA": {ed, []string{ed.proof(nil, nil)}, true},
		"RS256": {rs, []string{rs.proof(nil, nil)}, true},

		"no proof":           {ec, nil, false},
		"two proofs":         {ec, []string{ec.proof(nil, nil), ec.proof(nil, nil)}, false},
		"two in one header":  {ec, []string{ec.proof(nil, nil) + ", " + ec.proof(nil, nil)}, false},
		"empty":              {ec, []string{""}, false},
		"not a JWT":          {ec, []string{"a.b.c"}, false},
		"too long":           {ec, []string{ec.proof(nil, m{"x": strings.Repeat("x", 8<<10)})}, false},
		"typ missing":        {ec, []string{ec.proof(m{"typ": nil}, nil)}, false},
		"typ JWT":            {ec, []string{ec.proof(m{"typ": "JWT"}, nil)}, false},
		"typ a number":       {ec, []string{ec.proof(m{"typ": 1}, nil)}, false},
		"crit":               {ec, []string{ec.proof(m{"crit": []string{"x"}, "x": 1}, nil)}, false},
		"alg none":           {ec, []string{must(unsigned.SignedString(jwt.UnsafeAllowNoneSignatureType))}, false},
		"alg HS256":          {ec, []string{must(symmetric.SignedString([]byte("k")))}, false},
		"alg of another key": {ec, []string{ec.proof(m{"alg": "RS256"}, nil)}, false},
		"alg ES384":          {p384, []string{p384.proof(nil, nil)}, false},
		"RSA of 1024 bits":   {short, []string{short.proof(nil, nil)}, false},
		"a key of no order":  {null, []string{ed.proof(m{"jwk": null.jwk}, nil)}, false},
		"no key":             {ec, []string{ec.proof(m{"jwk": nil}, nil)}, false},
		"key as text":        {ec, []string{ec.proof(m{"jwk": "x"}, nil)}, false},
		"key empty":          {ec, []string{ec.proof(m{"jwk": m{}}, nil)}, false},
		"key private":        {ec, []string{ec.proof(withPrivate(ec, "d"), nil)}, false},
		"key with k":         {ec, []string{ec.proof(withPrivate(ec, "k"), nil)}, false},
		"RSA key private":    {rs, []string{rs.proof(withPrivate(rs, "dq"), nil)}, false},
		"for encryption":     {ec, []string{ec.proof(withPrivate(ec, "use"), nil)}, false},
		"another key":        {ec, []string{other.proof(nil, nil)}, false},
		"signed by another":  {ec, []string{other.proof(m{"jwk": ec.jwk}, nil)}, false},
		"claims exchanged":   {ec, []string{swapped(ec.proof(nil, nil))}, false},
		"no signature":       {ec, []string{strings.Join(strings.Split(ec.proof(nil, nil), ".")[:2], ".") + "."}, false},

		"htm missing":    {ec, []string{ec.proof(nil, m{"htm": nil})}, false},
		"htm POST":       {ec, []string{ec.proof(nil, m{"htm": "POST"})}, false},
		"htm get":        {ec, []string{ec.proof(nil, m{"htm": "get"})}, false},
		"htu missing":    {ec, []string{ec.proof(nil, m{"htu": nil})}, false},
		"htu other path": {ec, []string{ec.proof(nil, m{"htu": "https://sluice.example.com/v1/streams/other/records"})}, false},
		"htu other host": {ec, []string{ec.proof(nil, m{"htu": strings.Replace(asked, "sluice", "evil", 1)})}, false},
		"htu query":      {ec, []string{ec.proof(nil, m{"htu": asked + "?limit=1#a"})}, true},
		"iat missing":    {ec, []string{ec.proof(nil, m{"iat": nil})}, false},
		"iat a text":     {ec, []string{ec.proof(nil, m{"iat": fmt.Sprint(now.Unix())})}, false},
		"iat negative":   {ec, []string{ec.proof(nil, m{"iat": -1})}, false},
		"iat huge":       {ec, []string{ec.proof(nil, m{"iat": json.Number("1e300")})}, false},
		"iat fraction":   {ec, []string{ec.proof(nil, m{"iat": float64(now.UnixMilli()) / 1000})}, true},
		"a minute old":   {ec, []string{ec.proof(nil, at(-59*time.Second))}, true},
		"too old":        {ec, []string{ec.proof(nil, at(-2*time.Minute))}, false},
		"in the future":  {ec, []string{ec.proof(nil, at(time.Minute))}, false},
		"ath missing":    {ec, []string{ec.proof(nil, m{"ath": nil})}, false},
		"ath of another": {ec, []string{ec.proof(nil, m{"ath": b64(make([]byte, 32))})}, false},
		"ath is token":   {ec, []string{ec.proof(nil, m{"ath": token})}, false},
		"jti missing":    {ec, []string{ec.proof(nil, m{"jti": nil})}, false},
		"jti empty":      {ec, []string{ec.proof(nil, m{"jti": ""})}, false},
		"jti a number":   {ec, []string{ec.proof(nil, m{"jti": 7})}, false},
		"jti too long":   {ec, []string{ec.proof(nil, m{"jti": strings.Repeat("j", 257)})}, false},
		"more claims":    {ec, []string{ec.proof(m{"kid": "x", "jku": "http://169.254.169.254/"}, m{"nonce": "n", "exp": 1})}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				time.Sleep(time.Until(now)) // however long the test has taken so far
				prover := newProver(t, nil)
				err := prover.Prove(t.Context(), presented(c.proofs...), c.key.thumbprint)
				if (err == nil) != c.valid || err != nil && (!errors.Is(err, auth.ErrInvalidProof) || !errors.Is(err, auth.ErrUnauthenticated)) {
					t.Fatalf("got %v", err)
				}
				if c.valid {
					if err := prover.Prove(t.Context(), presented(c.proofs...), c.key.thumbprint); !errors.Is(err, auth.ErrInvalidProof) {
						t.Errorf("a second time: %v", err)
					}
					if err := newProver(t, nil).Prove(t.Context(), presented(c.proofs...), other.thumbprint); !errors.Is(err, auth.ErrInvalidProof) {
						t.Errorf("for a token that is bound to another key: %v", err)
					}
				}
			})
		})
	}
}

func TestTargets(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		asked, said string
		same        bool
	}{
		"equal":                     {"https://a.example/v1/ws", "https://a.example/v1/ws", true},
		"capitals in the host":      {"https://A.example/v1/ws", "HTTPS://a.EXAMPLE/v1/ws", true},
		"capitals in the path":      {"https://a.example/v1/ws", "https://a.example/V1/ws", false},
		"its own port":              {"https://a.example:443/x", "https://a.example/x", true},
		"its own port, http":        {"http://a.example/x", "http://a.example:80/x", true},
		"port of the other":         {"https://a.example/x", "https://a.example:80/x", false},
		"other port":                {"https://a.example:8443/x", "https://a.example/x", false},
		"other scheme":              {"https://a.example/x", "http://a.example/x", false},
		"WebSocket":                 {"https://a.example/v1/ws", "wss://a.example/v1/ws", true},
		"WebSocket without TLS":     {"http://a.example/v1/ws", "ws://a.example/v1/ws", true},
		"WebSocket, other scheme":   {"https://a.example/v1/ws", "ws://a.example/v1/ws", false},
		"no path":                   {"https://a.example/", "https://a.example", true},
		"slash at the end":          {"https://a.example/x", "https://a.example/x/", false},
		"escaped for nothing":       {"https://a.example/a-b", "https://a.example/%61%2Db", true},
		"escape in lower case":      {"https://a.example/a%2Fb", "https://a.example/a%2fb", true},
		"escaped slash":             {"https://a.example/a%2Fb", "https://a.example/a/b", false},
		"escaped twice":             {"https://a.example/a%252Fb", "https://a.example/a%2Fb", false},
		"IPv6":                      {"https://[::1]:8443/x", "https://[::1]:8443/x", true},
		"with a user":               {"https://a.example/x", "https://me@a.example/x", false},
		"relative":                  {"https://a.example/x", "/x", false},
		"without a host":            {"https://a.example/x", "https:///x", false},
		"opaque":                    {"https://a.example/x", "https:a.example/x", false},
		"other kind":                {"https://a.example/x", "urn:x", false},
		"not a URL":                 {"https://a.example/x", "https://a.example/%zz", false},
		"the server knows none":     {"", "", false},
		"the query is not compared": {"https://a.example/x", "https://a.example/x?y", true},
	} {
		presented := presented(ecKey().proof(nil, m{"htu": c.said}))
		presented.Proof.URL = c.asked
		if err := newProver(t, nil).Prove(t.Context(), presented, ecKey().thumbprint); (err == nil) != c.same {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The example of RFC 9449, figure 12.
func TestExampleOfTheRFC(t *testing.T) {
	t.Parallel()
	const proof = "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6Ik" +
		"VDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCR" +
		"nMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JE" +
		"QSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiJlMWozVl9iS2ljOC1MQUVCIiwiaHRtIj" +
		"oiR0VUIiwiaHR1IjoiaHR0cHM6Ly9yZXNvdXJjZS5leGFtcGxlLm9yZy9wcm90ZWN0Z" +
		"WRyZXNvdXJjZSIsImlhdCI6MTU2MjI2MjYxOCwiYXRoIjoiZlVIeU8ycjJaM0RaNTNF" +
		"c05yV0JiMHhXWG9hTnk1OUlpS0NBcWtzbVFFbyJ9.2oW9RP35yRqzhrtNP86L-Ey71E" +
		"OptxRimPPToA1plemAgR6pxHF8y6-yqyVnmcw6Fy1dqd-jfxSYoMxhAJpLjA"
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(time.Unix(1562262618, 0)))
		c := presented(proof)
		c.Token = auth.NewSecret("Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU")
		c.Proof.URL = "https://resource.example.org/protectedresource"
		if err := newProver(t, nil).Prove(t.Context(), c, "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"); err != nil {
			t.Error(err)
		}
	})
}

// A proof is accepted once, for as long as it would be accepted at all, and by one of
// those who send it at the same time.
func TestReplays(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		prover, k := newProver(t, nil), ecKey()
		for range 5 { // generations
			early := k.proof(nil, m{"iat": time.Now().Add(3 * time.Second).Unix()})
			var accepted atomic.Int64
			var senders sync.WaitGroup
			for range 20 {
				senders.Go(func() {
					if prover.Prove(t.Context(), presented(early), k.thumbprint) == nil {
						accepted.Add(1)
					}
				})
			}
			senders.Wait()
			for range 90 {
				time.Sleep(time.Second)
				if prover.Prove(t.Context(), presented(early), k.thumbprint) == nil {
					accepted.Add(1)
				}
			}
			if n := accepted.Load(); n != 1 {
				t.Fatalf("a proof was accepted %d times", n)
			}
		}
	})
}

// Somebody who uses up what is remembered of one key, or of all, lets nothing be
// forgotten, and one key cannot use up the room of the others.
func TestRememberedProofsAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		prover := newProver(t, func(c *dpop.Config) { c.Remembered, c.PerKey = 25, 10 })
		first := ecKey().proof(nil, nil)
		if err := prover.Prove(t.Context(), presented(first), ecKey().thumbprint); err != nil {
			t.Fatal(err)
		}
		use := func(k keyPair, n int) (accepted int) {
			for range n {
				switch err := prover.Prove(t.Context(), presented(k.proof(nil, nil)), k.thumbprint); {
				case err == nil:
					accepted++
				case !errors.Is(err, auth.ErrVerifierUnavailable) || errors.Is(err, auth.ErrUnauthenticated):
					t.Errorf("got %v", err)
				}
			}
			return accepted
		}
		for name, c := range map[string]struct {
			key  keyPair
			want int
		}{"first": {ecKey(), 9}, "second": {edKey(), 10}} {
			if got := use(c.key, 20); got != c.want {
				t.Errorf("%s key: %d are accepted", name, got)
			}
		}
		if got := use(rsaKey(), 20); got != 5 {
			t.Errorf("third key: %d are accepted", got)
		}
		if err := prover.Prove(t.Context(), presented(first), ecKey().thumbprint); !errors.Is(err, auth.ErrInvalidProof) {
			t.Errorf("the first proof again: %v", err)
		}
		time.Sleep(2 * time.Minute)
		if got := use(ecKey(), 10); got != 10 {
			t.Errorf("later: %d are accepted", got)
		}
	})
}

// shared are Replays in memory.
type shared struct {
	mu    sync.Mutex
	until map[string]time.Time
	err   error
}

func (s *shared) Once(ctx context.Context, id string, until time.Time) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	if s.err != nil {
		return false, s.err
	}
	_, again := s.until[id]
	s.until[id] = until
	return !again, nil
}

func TestInstancesShareReplays(t *testing.T) {
	t.Parallel()
	s := &shared{until: make(map[string]time.Time)}
	one := newProver(t, func(c *dpop.Config) { c.Replays = s })
	two := newProver(t, func(c *dpop.Config) { c.Replays = s })
	k := ecKey()
	proof := k.proof(nil, nil)
	if err := one.Prove(t.Context(), presented(proof), k.thumbprint); err != nil {
		t.Fatal(err)
	}
	if err := two.Prove(t.Context(), presented(proof), k.thumbprint); !errors.Is(err, auth.ErrInvalidProof) {
		t.Errorf("on another instance: %v", err)
	}
	for id, until := range s.until {
		if left := time.Until(until); len(id) != 64 || left < time.Minute || left > time.Minute+7*time.Second {
			t.Errorf("%s is remembered for %v", id, left)
		}
	}
	// A proof that is refused for another reason leaves no trace.
	_ = one.Prove(t.Context(), presented(k.proof(nil, m{"htm": "PUT"})), k.thumbprint)
	if len(s.until) != 1 {
		t.Errorf("%d proofs are remembered", len(s.until))
	}
	s.err = errors.New("down")
	if err := one.Prove(t.Context(), presented(k.proof(nil, nil)), k.thumbprint); !errors.Is(err, auth.ErrVerifierUnavailable) || errors.Is(err, auth.ErrUnauthenticated) {
		t.Errorf("down: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := one.Prove(ctx, presented(k.proof(nil, nil)), k.thumbprint); !errors.Is(err, context.Canceled) {
		t.Errorf("given up: %v", err)
	}
}

func TestConfigFaults(t *testing.T) {
	t.Parallel()
	for _, bad := range []dpop.Config{
		{},
		{MaxAge: time.Minute},
		{MaxAge: time.Minute, Remembered: 1},
		{MaxAge: time.Minute, PerKey: 1},
		{Remembered: 1, PerKey: 1},
		{MaxAge: time.Minute, ClockSkew: -1, Remembered: 1, PerKey: 1},
	} {
		if _, err := dpop.New(bad); err == nil {
			t.Errorf("%+v: no error", bad)
		}
	}
}

// FuzzProof: nobody without the key makes a proof, and none is accepted twice.
func FuzzProof(f *testing.F) {
	k := ecKey()
	prover := newProver(f, func(c *dpop.Config) { c.MaxAge = 24 * time.Hour })
	seed := k.proof(nil, nil)
	if err := prover.Prove(f.Context(), presented(seed), k.thumbprint); err != nil {
		f.Fatal(err)
	}
	f.Add(seed, asked)
	for _, proof := range []string{k.proof(m{"typ": "JWT"}, nil), edKey().proof(nil, nil), rsaKey().proof(nil, nil), "a.b.c", "..", ""} {
		f.Add(proof, asked)
	}
	f.Add(k.proof(nil, m{"htu": "https://a%2f@[::1]:99999/%zz"}), "wss://[fe80::1%25eth0]/%2E%2e/")
	f.Fuzz(func(t *testing.T, proof, url string) {
		c := presented(proof)
		c.Proof.URL = url
		err := prover.Prove(t.Context(), c, k.thumbprint)
		if err == nil {
			t.Fatalf("%q is accepted", proof)
		}
		if !errors.Is(err, auth.ErrInvalidProof) {
			t.Fatalf("got %v", err)
		}
		if len(proof) > 20 && strings.Contains(err.Error(), proof[:20]) {
			t.Fatalf("the error shows the proof: %v", err)
		}
	})
}
