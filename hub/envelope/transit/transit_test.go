package transit_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"sluice/hub/envelope"
	"sluice/hub/envelope/transit"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const token = "hvs.hunter2"

// vault answers as the transit engine does. The key turns bytes around.
func vault(w http.ResponseWriter, r *http.Request) {
	var asked struct {
		Plaintext, Ciphertext string
		Associated            *string `json:"associated_data"`
	}
	body, _ := io.ReadAll(r.Body)
	if r.Method != http.MethodPost || r.Header.Get("X-Vault-Token") != token || json.Unmarshal(body, &asked) != nil {
		w.WriteHeader(http.StatusForbidden)
		_, _ = io.WriteString(w, `{"errors":["1 error occurred:\n\t* permission denied\n\n"]}`)
		return
	}
	switch r.URL.Path {
	case "/v1/team/transit/encrypt/sluice":
		_, _ = fmt.Fprintf(w, `{"request_id":"x","data":{"ciphertext":"vault:v1:%s","key_version":1}}`, reversed(asked.Plaintext))
	case "/v1/team/transit/decrypt/sluice":
		text, ok := strings.CutPrefix(asked.Ciphertext, "vault:v1:")
		if !ok {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		_, _ = fmt.Fprintf(w, `{"data":{"plaintext":%q}}`, reversed(text))
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

func reversed(s string) string {
	b := []byte(s)
	for i := range len(b) / 2 {
		b[i], b[len(b)-1-i] = b[len(b)-1-i], b[i]
	}
	return string(b)
}

func client(t *testing.T, url string) *transit.Client {
	t.Helper()
	c, err := transit.New(transit.Config{URL: url, Mount: "team/transit", Key: "sluice", Token: func() string { return token }, Timeout: 3 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestKeysetOfVault: a keyset that Vault has encrypted is created, opened and rotated.
func TestKeysetOfVault(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(vault))
	defer server.Close()
	c := client(t, server.URL)
	text, err := envelope.Create(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		k, err := envelope.NewKeyset(text, c)
		if err != nil {
			t.Fatal(err)
		}
		if err := k.Open(t.Context()); err != nil {
			t.Fatal(err)
		}
		if text, err = k.Rotate(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	var sealed struct{ EncryptedKeyset []byte }
	if err := json.Unmarshal(text, &sealed); err != nil || !strings.HasPrefix(string(sealed.EncryptedKeyset), "vault:v1:") {
		t.Errorf("the keyset is %s, %v", text, err)
	}
}

// TestAnswersThatAreRefused: what Vault answers instead. No error has the token, or what
// was sent or answered, in it.
func TestAnswersThatAreRefused(t *testing.T) {
	t.Parallel()
	var elsewhere atomic.Int64
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		elsewhere.Add(1)
		_, _ = fmt.Fprintf(w, `{"data":{"plaintext":%q,"ciphertext":"vault:v1:x"}}`, base64.StdEncoding.EncodeToString([]byte("hunter2")))
	}))
	defer other.Close()
	status := func(code int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(code)
			_, _ = io.WriteString(w, `{"errors":["hunter2"]}`)
		}
	}
	text := func(text string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, text) }
	}
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		fault  string
	}{
		"403": {status(http.StatusForbidden), "the token is not valid"},
		"400": {status(http.StatusBadRequest), "not made with this key"},
		"404": {status(http.StatusNotFound), "no such engine or key"},
		"503": {status(http.StatusServiceUnavailable), "sealed"},
		"204": {status(http.StatusNoContent), "status 204"},
		"a redirect": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, other.URL, http.StatusTemporaryRedirect)
		}, "not followed"},
		"moved":         {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, other.URL, http.StatusFound) }, "not followed"},
		"large":         {text(`{"data":{"plaintext":"` + strings.Repeat("A", 1<<20) + `"}}`), "larger than"},
		"no JSON":       {text(`<html>hunter2`), "not one of the transit engine"},
		"no data":       {text(`{"data":{}}`), "not one of the transit engine"},
		"no base64":     {text(`{"data":{"plaintext":"hunter2%","ciphertext":"hunter2"}}`), "not one of the transit engine"},
		"a number":      {text(`{"data":{"plaintext":7}}`), "not one of the transit engine"},
		"slow":          {never, "deadline exceeded"},
		"slow bytes":    {slowly, "deadline exceeded"},
		"large headers": {func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X-A", strings.Repeat("a", 100<<10)) }, "headers exceeded"},
	} {
		server := httptest.NewServer(c.answer)
		one, began := client(t, server.URL), time.Now()
		_, errD := one.DecryptWithContext(t.Context(), []byte("vault:v1:hunter2"), nil)
		_, errE := one.EncryptWithContext(t.Context(), []byte("hunter2"), nil)
		for _, err := range []error{errD, errE} {
			if err == nil || !strings.Contains(err.Error(), c.fault) || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("%s: %v", name, err)
			}
		}
		if took := time.Since(began); took > 30*time.Second {
			t.Errorf("%s: two requests took %s, of at most three seconds each", name, took)
		}
		server.CloseClientConnections()
		server.Close()
	}
	if elsewhere.Load() > 0 {
		t.Error("a redirect was followed")
	}
	away := client(t, "http://127.0.0.1:1")
	if _, err := away.DecryptWithContext(t.Context(), []byte("x"), nil); err == nil {
		t.Error("nobody answered")
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := client(t, other.URL).DecryptWithContext(ended, []byte("x"), nil); err == nil {
		t.Error("asked after the context had ended")
	}
}

// never answers until the client has gone.
func never(_ http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body) // until then a client that goes is not noticed
	<-r.Context().Done()
}

func slowly(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	_, _ = io.WriteString(w, `{"data":`)
	_ = http.NewResponseController(w).Flush()
	<-r.Context().Done()
}

// TestURLs: which addresses are Vault's.
func TestURLs(t *testing.T) {
	t.Parallel()
	for url, ok := range map[string]bool{
		"https://vault:8200": true, "https://vault:8200/": true, "https://vault/prefix": true,
		"vault:8200": false, "": false, "https://u:p@vault": false, "https://vault?a=b": false, "https://vault#a": false,
	} {
		_, err := transit.New(transit.Config{URL: url, Mount: "transit", Key: "k", Token: func() string { return "" }, Timeout: time.Second})
		if (err == nil) != ok {
			t.Errorf("%q: %v", url, err)
		}
	}
}
