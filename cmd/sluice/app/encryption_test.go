package app

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"sluice/cmd/sluice/config"
	"sluice/hub/envelope"
)

// transitEngine answers as Vault's, unless it is away. Its key adds a letter.
type transitEngine struct {
	away  atomic.Bool
	asked atomic.Int64
}

func (v *transitEngine) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	v.asked.Add(1)
	var question struct{ Plaintext, Ciphertext string }
	body, _ := io.ReadAll(r.Body)
	_ = json.Unmarshal(body, &question)
	text, wrapped := strings.CutPrefix(question.Ciphertext, "vault:v1:")
	switch {
	case v.away.Load():
		w.WriteHeader(http.StatusServiceUnavailable)
	case r.Header.Get("X-Vault-Token") != "hvs.hunter2":
		w.WriteHeader(http.StatusForbidden)
	case r.URL.Path == "/v1/transit/encrypt/sluice":
		_, _ = fmt.Fprintf(w, `{"data":{"ciphertext":"vault:v1:%s"}}`, question.Plaintext)
	case r.URL.Path == "/v1/transit/decrypt/sluice" && wrapped:
		_, _ = fmt.Fprintf(w, `{"data":{"plaintext":%q}}`, text)
	default:
		w.WriteHeader(http.StatusBadRequest)
	}
}

// sealedWorld is a configuration in a directory, with a keyset of Vault.
type sealedWorld struct {
	t       *testing.T
	dir     string
	brokers string
	vault   *transitEngine
	url     string
}

func (w *sealedWorld) write(name, text string) {
	w.t.Helper()
	if err := os.WriteFile(filepath.Join(w.dir, name), []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

// load loads the configuration with a grant and what is encrypted.
func (w *sealedWorld) load(grant, decrypt string) *config.Config {
	w.t.Helper()
	w.write("sluice.yaml", fmt.Sprintf(`
listen: 127.0.0.1:0
admin: {listen: 127.0.0.1:0}
kafka: {brokers: [%q]}
drain: {timeout: 1s, spread: 0s}
encryption: {keysets: {cards: {file: cards.json, kms: {vault: {url: %q, key: sluice, token_file: token, timeout: 1s}}}}}
grants: [{anonymous: true, subscribe: [orders], replay: 1h, %s}]
streams: {orders: {topic: orders, partitions: 1, decrypt: %s}}
`, w.brokers, w.url, grant, decrypt))
	c, err := config.Load(config.Options{Environ: []string{}, File: filepath.Join(w.dir, "sluice.yaml")})
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

func (w *sealedWorld) kms(c *config.Config) envelope.KMS {
	client, err := c.Encryption.Keysets["cards"].KMS.Vault.Client()
	if err != nil {
		w.t.Fatal(err)
	}
	return client
}

// keyset returns the keyset in the file, open.
func (w *sealedWorld) keyset(c *config.Config) *envelope.Keyset {
	w.t.Helper()
	text, err := os.ReadFile(filepath.Join(w.dir, "cards.json"))
	if err != nil {
		w.t.Fatal(err)
	}
	k, err := envelope.NewKeyset(text, w.kms(c))
	if err != nil {
		w.t.Fatal(err)
	}
	if err := k.Open(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	return k
}

// safeBuffer is a buffer for a log that several goroutines write.
type safeBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// TestEncryptionOfARunningInstance: a keyset that Vault has encrypted is asked for at start
// and at reload, and never else; a rotated one, and grants that show more or less, take
// effect by a reload; one that fails changes nothing, and a start without Vault fails.
func TestEncryptionOfARunningInstance(t *testing.T) {
	t.Parallel()
	servers := embed(t)
	w := &sealedWorld{t: t, dir: t.TempDir(), brokers: servers.Brokers[0], vault: &transitEngine{}}
	service := httptest.NewServer(w.vault)
	defer service.Close()
	w.url = service.URL
	w.write("token", "hvs.hunter2\n")
	const (
		sealed = "{keyset: cards, paths: [/card, headers.secret]}"
		shown  = "decrypt: [/card]"
	)
	// The file has to be a keyset before the configuration can be loaded.
	w.write("cards.json", `{"encryptedKeyset":"dmF1bHQ6djE6eA=="}`)
	c := w.load(shown, sealed)
	text, err := envelope.Create(t.Context(), w.kms(c))
	if err != nil {
		t.Fatal(err)
	}
	w.write("cards.json", string(text))
	c = w.load(shown, sealed)

	var log safeBuffer
	logger := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	w.vault.away.Store(true)
	failing, err := New(c, Options{Logger: logger})
	if err != nil {
		t.Fatal(err)
	}
	if err := failing.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "encryption/keysets/cards: decrypt keyset: decrypt with Vault: the answer has the status 503") {
		t.Errorf("started without Vault: %v", err)
	}
	w.vault.away.Store(false)
	w.vault.asked.Store(0)

	if _, err := New(c, Options{Logger: logger}); err != nil || w.vault.asked.Load() > 0 {
		t.Fatalf("Vault was asked %d times before the start: %v", w.vault.asked.Load(), err)
	}
	a := run(t, c, Options{Logger: logger})
	ctx, url := t.Context(), "http://"+a.address+"/v1/streams/orders/"
	if n := w.vault.asked.Load(); n != 1 {
		t.Errorf("Vault was asked %d times at the start", n)
	}

	producer, err := kgo.NewClient(kgo.SeedBrokers(w.brokers), kgo.DefaultProduceTopic("orders"), kgo.RetryTimeout(20*time.Second), kgo.UnknownTopicRetries(-1))
	if err != nil {
		t.Fatal(err)
	}
	defer producer.Close()
	write := func(k *envelope.Keyset, text string) {
		t.Helper()
		cipher, err := envelope.NewCipher(k, envelope.FormatEnvelope, "AES256_GCM")
		if err != nil {
			t.Fatal(err)
		}
		card, err := cipher.Encrypt([]byte(`"`+text+`"`), []byte("orders:/card"))
		if err != nil {
			t.Fatal(err)
		}
		value := fmt.Appendf(nil, `{"card":%q}`, base64.StdEncoding.EncodeToString(card))
		r := &kgo.Record{Value: value, Headers: []kgo.RecordHeader{{Key: "secret", Value: []byte("plain-header")}}}
		if err := producer.ProduceSync(ctx, r).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	page := func() string {
		t.Helper()
		request, _ := http.NewRequestWithContext(ctx, http.MethodGet, url+"records?from=earliest", nil)
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = answer.Body.Close() }()
		body, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Fatal(err)
		}
		return string(body)
	}
	has := func(what string, want, not []string) {
		t.Helper()
		var body string
		// Those that read before a reload have the streams from before.
		for until := time.Now().Add(time.Minute); time.Now().Before(until); time.Sleep(20 * time.Millisecond) {
			body = page()
			fits := true
			for _, text := range want {
				fits = fits && strings.Contains(body, text)
			}
			for _, text := range not {
				fits = fits && !strings.Contains(body, text)
			}
			if fits {
				return
			}
		}
		t.Errorf("%s: %s", what, body)
	}
	first := w.keyset(c)
	write(first, "plain-one")
	has("at first", []string{`"data":{"card":"plain-one"}`}, []string{"secret", "plain-header"})

	// A second key, which the instance does not know yet.
	rotated, err := first.Rotate(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	w.write("cards.json", string(rotated))
	write(w.keyset(c), "plain-two")
	has("before the reload", []string{"plain-one", `"undecrypted":["/card"],"data":{"card":null}`}, []string{"plain-two"})
	w.vault.asked.Store(0)
	w.vault.away.Store(true)
	if _, err := a.Reload(w.load(shown, sealed)); err == nil || !strings.Contains(err.Error(), "status 503") {
		t.Errorf("reloaded without Vault: %v", err)
	}
	has("after a reload that failed", []string{"plain-one", `"undecrypted"`}, []string{"plain-two"})
	w.vault.away.Store(false)
	if restart, err := a.Reload(w.load(shown, sealed)); err != nil || len(restart) > 0 {
		t.Errorf("reload: %v, %v", restart, err)
	}
	has("after the reload", []string{"plain-one", "plain-two"}, []string{"undecrypted"})
	if n := w.vault.asked.Load(); n != 2 {
		t.Errorf("Vault was asked %d times for two reloads", n)
	}

	// Nothing has changed: streams go on, and Vault is not needed.
	w.vault.away.Store(true)
	was := a.encryption.decrypters["orders"]
	if _, err := a.Reload(w.load(shown, sealed)); err != nil || a.encryption.decrypters["orders"] != was {
		t.Errorf("a reload without a change made another stream: %v", err)
	}
	if _, err := a.Reload(w.load("decrypt: []", sealed)); err != nil {
		t.Error(err)
	}
	has("the right was taken away", []string{`"data":{}`}, []string{"plain", "undecrypted"})
	if _, err := a.Reload(w.load("decrypt: [headers.secret]", sealed)); err != nil {
		t.Error(err)
	}
	has("another right", []string{`["secret",null]`, `"undecrypted":["headers.secret"],"data":{}`}, []string{"plain"})
	if _, err := a.Reload(w.load(shown, "{keyset: cards, paths: [/card]}")); err != nil {
		t.Error(err)
	}
	has("fewer paths", []string{"plain-one", "plain-two", "plain-header"}, []string{"undecrypted"})
	a.stop()
	for _, secret := range []string{"plain", "hunter2", string(text[20:60])} {
		if strings.Contains(log.String(), secret) {
			t.Errorf("the log has %q in it: %s", secret, log.String())
		}
	}
	if n := strings.Count(log.String(), "cannot be decrypted"); n == 0 {
		t.Error("the log does not say that something could not be decrypted")
	}
}
