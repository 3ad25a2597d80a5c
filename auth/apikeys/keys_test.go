package apikeys_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/bcrypt"

	"sluice/auth"
	"sluice/auth/apikeys"
)

// made is a key of Create with its entry.
type made struct {
	key   string
	entry apikeys.Entry
}

func create(t testing.TB, subject string, expires time.Time) made {
	t.Helper()
	key, entry, err := apikeys.Create(subject, map[string]any{"role": "reporter", "n": 7}, expires)
	if err != nil {
		t.Fatal(err)
	}
	return made{key: key.Reveal(), entry: entry}
}

// slow returns a key whose secret is stored as a slow hash.
func slow(id, secret, hash string) made {
	return made{key: auth.APIKeyPrefix + id + "_" + secret, entry: apikeys.Entry{ID: id, Subject: id, Hash: hash}}
}

func bcrypted(id, secret string) made {
	return slow(id, secret, string(must(bcrypt.GenerateFromPassword([]byte(secret), bcrypt.MinCost))))
}

func argon2ed(id, secret string) made {
	salt := []byte("0123456789abcdef")
	b64 := base64.RawStdEncoding.EncodeToString
	sum := argon2.IDKey([]byte(secret), salt, 1, 64, 1, 32)
	return slow(id, secret, "$argon2id$v=19$m=64,t=1,p=1$"+b64(salt)+"$"+b64(sum))
}

func write(t testing.TB, path string, keys ...made) {
	t.Helper()
	text := []byte("keys:\n")
	if len(keys) == 0 {
		text = []byte("keys: []\n")
	}
	for _, k := range keys {
		text = append(text, must(k.entry.YAML())...)
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

func newKeys(t testing.TB, keys ...made) *apikeys.Keys {
	t.Helper()
	path := filepath.Join(t.TempDir(), "keys.yaml")
	write(t, path, keys...)
	return must(apikeys.New(apikeys.Config{Issuer: "keys", File: path, SlowChecks: 1, Logger: slog.New(slog.DiscardHandler)}))
}

func presented(key string) auth.Credential {
	return auth.Credential{Source: auth.FromHeader, Scheme: auth.SchemeAPIKey, Token: auth.NewSecret(key)}
}

func TestVerify(t *testing.T) {
	t.Parallel()
	fast := create(t, "reporter", time.Time{})
	other := create(t, "other", time.Time{})
	bcryptKey, argonKey := bcrypted("legacy-1", "correct_horse"), argon2ed("legacy-2", "battery_staple")
	long := bcrypted("long", strings.Repeat("x", 72))
	keys := newKeys(t, fast, other, bcryptKey, argonKey, long)
	of := func(k made) (id, secret string) {
		id, secret, _ = strings.Cut(strings.TrimPrefix(k.key, "sluice_"), "_")
		return id, secret
	}
	id, secret := of(fast)
	_, foreign := of(other)
	for name, c := range map[string]struct {
		credential auth.Credential
		want       error
	}{
		"as ApiKey":                {presented(fast.key), nil},
		"as Bearer":                {auth.Bearer(fast.key), nil},
		"as DPoP":                  {auth.Credential{Source: auth.FromHeader, Scheme: auth.SchemeDPoP, Token: auth.NewSecret(fast.key)}, auth.ErrUnauthenticated},
		"as a ticket":              {auth.Credential{Scheme: auth.SchemeTicket, Token: auth.NewSecret("t1")}, auth.ErrOtherCredential},
		"a token":                  {auth.Bearer("a.b.c"), auth.ErrOtherCredential},
		"a token, as ApiKey":       {presented("a.b.c"), auth.ErrUnauthenticated},
		"a certificate":            {auth.Credential{Scheme: auth.SchemeCertificate}, auth.ErrOtherCredential},
		"bcrypt":                   {presented(bcryptKey.key), nil},
		"bcrypt, wrong":            {presented(bcryptKey.key + "r"), auth.ErrUnauthenticated},
		"bcrypt, 72 bytes":         {presented(long.key), nil},
		"bcrypt, what is ignored":  {presented(long.key + "y"), auth.ErrUnauthenticated},
		"argon2id":                 {presented(argonKey.key), nil},
		"argon2id, wrong":          {presented(argonKey.key + "r"), auth.ErrUnauthenticated},
		"another key's secret":     {presented("sluice_" + id + "_" + foreign), auth.ErrUnauthenticated},
		"unknown ID":               {presented("sluice_unknown_" + secret), auth.ErrUnauthenticated},
		"ID in capitals":           {presented("sluice_" + strings.ToUpper(id) + "_" + secret), auth.ErrUnauthenticated},
		"truncated":                {presented(fast.key[:len(fast.key)-1]), auth.ErrUnauthenticated},
		"longer":                   {presented(fast.key + "a"), auth.ErrUnauthenticated},
		"no secret":                {presented("sluice_" + id + "_"), auth.ErrUnauthenticated},
		"no ID":                    {presented("sluice__" + secret), auth.ErrUnauthenticated},
		"no parts":                 {presented("sluice_"), auth.ErrUnauthenticated},
		"the hash as the secret":   {presented("sluice_" + id + "_" + fast.entry.Hash), auth.ErrUnauthenticated},
		"prefix of another":        {presented("slujce_" + id + "_" + secret), auth.ErrUnauthenticated},
		"a secret of 1 MB":         {presented("sluice_" + id + "_" + strings.Repeat("a", 1<<20)), auth.ErrUnauthenticated},
		"an ID of 1 MB":            {presented("sluice_" + strings.Repeat("a", 1<<20) + "_" + secret), auth.ErrUnauthenticated},
		"a line end in the secret": {presented("sluice_" + id + "_" + secret + "\n"), auth.ErrUnauthenticated},
		"a slash in the ID":        {presented("sluice_" + "a/" + id + "_" + secret), auth.ErrUnauthenticated},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for range 2 { // the second time what has passed is remembered
				got, err := keys.Verify(t.Context(), c.credential)
				if !errors.Is(err, c.want) || (err == nil) != (got != nil) {
					t.Fatalf("got %v, %v", got, err)
				}
				if err != nil && (strings.Contains(err.Error(), secret) || strings.Contains(err.Error(), "correct")) {
					t.Errorf("the error %q contains a secret", err)
				}
			}
		})
	}
	got := must(keys.Verify(t.Context(), presented(fast.key)))
	if got.Issuer != "keys" || got.Subject != "reporter" || got.TokenID != id || !got.ExpiresAt.IsZero() ||
		string(got.Claims) != `{"iss":"keys","n":7,"role":"reporter","sub":"reporter"}` {
		t.Errorf("got %+v with %s", got, got.Claims)
	}
	if again := must(keys.Verify(t.Context(), presented(fast.key))); again != got {
		t.Error("the same key has another identity the second time")
	}
}

// An expired key is told apart from a wrong one, but only with the right secret.
func TestExpiry(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := create(t, "a", time.Now().Add(time.Hour))
		a := must(auth.New(auth.Config{
			Verifiers: []auth.Verifier{newKeys(t, k)},
			Grants:    []auth.Grant{{Subscribe: []string{"orders"}}},
		}))
		p, err := a.Authenticate(t.Context(), presented(k.key))
		if err != nil || !p.ExpiresAt().Equal(k.entry.Expires) {
			t.Fatalf("got %v, %v", p, err)
		}
		time.Sleep(time.Hour)
		if _, err := a.Authenticate(t.Context(), presented(k.key)); !errors.Is(err, auth.ErrTokenExpired) {
			t.Errorf("expired: %v", err)
		}
		if _, err := a.Authenticate(t.Context(), presented(k.key+"x")); !errors.Is(err, auth.ErrUnauthenticated) {
			t.Errorf("expired and wrong: %v", err)
		}
	})
}

func TestTheFileIsReadAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "keys.yaml")
		stays, goes, comes := create(t, "a", time.Time{}), create(t, "b", time.Time{}), create(t, "c", time.Time{})
		slowly := bcrypted("s", "secret")
		write(t, path, stays, goes, slowly)
		var log bytes.Buffer
		keys := must(apikeys.New(apikeys.Config{Issuer: "keys", File: path, SlowChecks: 1, Logger: slog.New(slog.NewTextHandler(&log, nil))}))
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { _ = keys.Run(ctx) })
		wait := func() {
			time.Sleep(6 * time.Second)
			synctest.Wait()
		}
		expect := func(what string, want map[string]bool) {
			t.Helper()
			for key, valid := range want {
				if _, err := keys.Verify(t.Context(), presented(key)); (err == nil) != valid {
					t.Errorf("%s: %v, want %v", what, err, valid)
				}
			}
		}
		expect("at first", map[string]bool{stays.key: true, goes.key: true, comes.key: false, slowly.key: true})
		slowly.entry.Hash = bcrypted("s", "another").entry.Hash
		write(t, path, stays, comes, slowly)
		wait()
		changed := map[string]bool{stays.key: true, goes.key: false, comes.key: true, slowly.key: false}
		expect("after a change", changed)

		for _, damaged := range []string{"keys: [", "keys:\n- {id: x}\n", "{}{}", "", "keys:\n"} {
			if err := os.WriteFile(path, []byte(damaged), 0o600); err != nil {
				t.Fatal(err)
			}
			wait()
			expect("damaged", changed)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		wait()
		expect("missing", changed)
		if n := strings.Count(log.String(), "level=ERROR"); n != 1 {
			t.Errorf("%d errors in the log:\n%s", n, log.String())
		}
		if err := os.WriteFile(path, []byte("keys: []\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		wait()
		expect("empty", map[string]bool{stays.key: false, comes.key: false})
		cancel()
		running.Wait()
	})
}

func TestFileFaults(t *testing.T) {
	t.Parallel()
	good := create(t, "a", time.Time{}).entry.Hash
	dir := t.TempDir()
	for name, c := range map[string]struct{ text, want string }{
		"unknown field":     {"keys:\n- {id: a, subject: a, hash: '" + good + "', role: x}\n", "line 2: unknown field"},
		"unknown section":   {"key: []\n", "unknown field"},
		"a list":            {"- {id: a}\n", "key 1: subject is missing"},
		"a list of texts":   {"- a\n", "unknown field, or a value of the wrong type"},
		"a list, unknown":   {"- {id: a, subject: a, hash: '" + good + "', role: x}\n", "line 1: unknown field"},
		"empty":             {"", "for no keys write keys: []"},
		"a comment":         {"# keys\n", "for no keys write keys: []"},
		"keys of nothing":   {"keys:\n", "for no keys write keys: []"},
		"not YAML":          {"keys: [\n", "not YAML"},
		"two documents":     {"keys: []\n---\nkeys: []\n", "more than one"},
		"no id":             {"keys:\n- {subject: a, hash: '" + good + "'}\n", "key 1: id"},
		"id with underline": {"keys:\n- {id: a_b, subject: a, hash: '" + good + "'}\n", "key 1: id"},
		"no subject":        {"keys:\n- {id: a, hash: '" + good + "'}\n", "key 1: subject"},
		"control character": {"keys:\n- {id: a, subject: \"a\\n\", hash: '" + good + "'}\n", "key 1: subject"},
		"no hash":           {"keys:\n- {id: a, subject: a}\n", "key 1: hash is missing"},
		"a plain secret":    {"keys:\n- {id: a, subject: a, hash: hunter2}\n", "key 1: hash is of no known kind"},
		"short sum":         {"keys:\n- {id: a, subject: a, hash: 'sha256:00'}\n", "64 hex digits"},
		"twice":             {"keys:\n- {id: a, subject: a, hash: '" + good + "'}\n- {id: a, subject: b, hash: '" + good + "'}\n", "key 2: the id a occurs twice"},
		"reserved claim":    {"keys:\n- {id: a, subject: a, claims: {iss: x}, hash: '" + good + "'}\n", "claims cannot contain iss"},
		"bound":             {"keys:\n- {id: a, subject: a, claims: {cnf: {}}, hash: '" + good + "'}\n", "claims cannot contain cnf"},
		"claims too long":   {"keys:\n- {id: a, subject: a, claims: {x: '" + strings.Repeat("x", 4<<10) + "'}, hash: '" + good + "'}\n", "claims have more than"},
		"claims not JSON":   {"keys:\n- {id: a, subject: a, claims: {x: .inf}, hash: '" + good + "'}\n", "not what JSON can contain"},
		"expires as text":   {"keys:\n- {id: a, subject: a, expires: soon, hash: '" + good + "'}\n", "a time that is not as in RFC 3339"},
		"bcrypt cost":       {"keys:\n- {id: a, subject: a, hash: '$2b$15$" + strings.Repeat("a", 53) + "'}\n", "bcrypt cost 15"},
		"bcrypt cut":        {"keys:\n- {id: a, subject: a, hash: '$2b$10$" + strings.Repeat("a", 52) + "'}\n", "not a bcrypt hash"},
		"argon2id memory":   {"keys:\n- {id: a, subject: a, hash: '$argon2id$v=19$m=4294967295,t=1,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA'}\n", "costs out of bounds"},
		"argon2id threads":  {"keys:\n- {id: a, subject: a, hash: '$argon2id$v=19$m=64,t=1,p=0$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA'}\n", "costs out of bounds"},
		"argon2id more":     {"keys:\n- {id: a, subject: a, hash: '$argon2id$v=19$m=64,t=1,p=1,x=2$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA'}\n", "not an argon2id hash"},
		"argon2id no sum":   {"keys:\n- {id: a, subject: a, hash: '$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHQ$'}\n", "not an argon2id hash"},
		"argon2i":           {"keys:\n- {id: a, subject: a, hash: '$argon2i$v=19$m=64,t=1,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA'}\n", "no known kind"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(dir, strings.ReplaceAll(name, " ", "-")+".yaml")
			if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := apikeys.New(apikeys.Config{Issuer: "keys", File: path, SlowChecks: 1, Logger: slog.New(slog.DiscardHandler)})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %s", err, c.want)
			}
			if err != nil && (strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), good)) {
				t.Errorf("the error shows the hash: %v", err)
			}
		})
	}
}

// Create never makes a secret twice, and nothing but the key contains it.
func TestCreate(t *testing.T) {
	t.Parallel()
	key, entry, err := apikeys.Create("a", map[string]any{"role": "x"}, time.Date(2099, 1, 2, 3, 4, 5, 0, time.UTC))
	if err != nil {
		t.Fatal(err)
	}
	_, secret, _ := strings.Cut(strings.TrimPrefix(key.Reveal(), auth.APIKeyPrefix), "_")
	if len(secret) != 52 {
		t.Errorf("the secret has %d characters, want 52 of 5 bits", len(secret))
	}
	for _, text := range []string{string(must(entry.YAML())), string(must(entry.JSON())), fmt.Sprintf("%+v %v %q", entry, key, key)} {
		if strings.Contains(text, secret) {
			t.Errorf("%s contains the secret", text)
		}
	}
	if yaml := string(must(entry.YAML())); !strings.Contains(yaml, "expires: 2099-01-02T03:04:05Z") {
		t.Errorf("got %s", yaml)
	}
	for name, c := range map[string]struct {
		subject string
		claims  map[string]any
		expires time.Time
	}{
		"no subject":     {"", nil, time.Time{}},
		"reserved claim": {"a", map[string]any{"sub": "b"}, time.Time{}},
		"expired":        {"a", nil, time.Now().Add(-time.Second)},
	} {
		if _, _, err := apikeys.Create(c.subject, c.claims, c.expires); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	seen := map[string]bool{}
	for range 1000 {
		key, _, _ := apikeys.Create("a", nil, time.Time{})
		if seen[key.Reveal()] {
			t.Fatal("the same key twice")
		}
		seen[key.Reveal()] = true
	}
}

// Somebody who guesses the secret of a slow key has one processor at most, and does not
// keep clients out whose secrets have passed before.
func TestGuessingIsBounded(t *testing.T) {
	t.Parallel()
	known, guessed := bcrypted("known", "right"), bcrypted("guessed", "right")
	guessed.entry.Hash = string(must(bcrypt.GenerateFromPassword([]byte("right"), 8)))
	keys := newKeys(t, known, guessed)
	must(keys.Verify(t.Context(), presented(known.key)))
	ctx, cancel := context.WithCancel(t.Context())
	var guessing sync.WaitGroup
	var refused, unavailable, gaveUp atomic.Int64
	for i := range 400 {
		guessing.Go(func() {
			_, err := keys.Verify(ctx, presented(fmt.Sprintf("sluice_guessed_%d", i)))
			switch {
			case errors.Is(err, auth.ErrVerifierUnavailable):
				unavailable.Add(1)
			case errors.Is(err, auth.ErrUnauthenticated):
				refused.Add(1)
			case errors.Is(err, context.Canceled):
				gaveUp.Add(1)
			default:
				t.Errorf("got %v", err)
			}
		})
	}
	for refused.Load() < 2 {
		time.Sleep(time.Millisecond)
	}
	began := time.Now()
	must(keys.Verify(t.Context(), presented(known.key)))
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("a key that has passed before waits %v", took)
	}
	if _, err := keys.Verify(t.Context(), presented("sluice_unknown_x")); !errors.Is(err, auth.ErrUnauthenticated) {
		t.Errorf("an unknown ID: %v", err)
	}
	cancel()
	guessing.Wait()
	if unavailable.Load() < 100 || gaveUp.Load() < 100 {
		t.Errorf("%d were refused, %d sent away, %d gave up", refused.Load(), unavailable.Load(), gaveUp.Load())
	}
	must(keys.Verify(t.Context(), presented(guessed.key)))
}

// Somebody who guesses has one slot, however many there are, and a client that connects
// many times at once has its secret checked once.
func TestOneSlotForEachKey(t *testing.T) {
	t.Parallel()
	const cost = 9
	guessed := slow("guessed", "right", string(must(bcrypt.GenerateFromPassword([]byte("right"), cost))))
	other := slow("other", "right", string(must(bcrypt.GenerateFromPassword([]byte("right"), cost))))
	path := filepath.Join(t.TempDir(), "keys.yaml")
	write(t, path, guessed, other)
	keys := must(apikeys.New(apikeys.Config{Issuer: "keys", File: path, SlowChecks: 2, Logger: slog.New(slog.DiscardHandler)}))
	ctx, cancel := context.WithCancel(t.Context())
	began := time.Now()
	_, _ = keys.Verify(t.Context(), presented("sluice_other_wrong"))
	alone := time.Since(began)
	var clients sync.WaitGroup
	var checked atomic.Int64 // of the guesses
	for i := range 140 {
		clients.Go(func() {
			_, err := keys.Verify(ctx, presented(fmt.Sprintf("sluice_guessed_%d", i)))
			if errors.Is(err, auth.ErrUnauthenticated) && !errors.Is(err, auth.ErrVerifierUnavailable) && ctx.Err() == nil {
				checked.Add(1)
			}
		})
	}
	time.Sleep(alone)
	// How long a check takes is told by how many guesses are checked meanwhile, as it depends on the machine.
	meanwhile := func(check func()) int64 {
		before := checked.Load()
		check()
		return checked.Load() - before
	}
	one := meanwhile(func() { _, _ = keys.Verify(t.Context(), presented("sluice_other_wrong")) })
	all := meanwhile(func() {
		for range 100 {
			clients.Go(func() { must(keys.Verify(t.Context(), presented(other.key))) })
		}
		must(keys.Verify(t.Context(), presented(other.key)))
	})
	if one > 15 || all > 15 {
		t.Errorf("%d guesses were checked during one check of another key, and %d while 100 clients had the same secret of it", one, all)
	}
	cancel()
	clients.Wait()
}

func FuzzVerify(f *testing.F) {
	fast := create(f, "a", time.Time{})
	keys := newKeys(f, fast)
	f.Add(fast.key[:len(fast.key)-1])
	f.Add("sluice_" + fast.entry.ID + "_")
	f.Add("sluice__")
	f.Fuzz(func(t *testing.T, key string) {
		for _, c := range []auth.Credential{presented(key), auth.Bearer(key)} {
			if id, err := keys.Verify(t.Context(), c); err == nil && (key != fast.key || id.Subject != "a") {
				t.Fatalf("%q is accepted", key)
			}
		}
	})
}
