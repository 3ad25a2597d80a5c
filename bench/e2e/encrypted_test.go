package e2e_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/insecurecleartextkeyset"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/twmb/franz-go/pkg/kgo"
)

// sealedStream is a topic and its stream.
const sealedStream = "sealed"

// sealing is a producer that encrypts with Tink.
type sealing struct {
	t     *testing.T
	kafka *kgo.Client
	keys  *keyset.Manager
	n     int
	// secrets are what may be in no log and no metric: plaintext and keys.
	secrets []string
}

// rotate adds a key, by which it encrypts from then on, and returns the keyset.
func (s *sealing) rotate() string {
	s.t.Helper()
	id, err := s.keys.Add(aead.AES256GCMKeyTemplate())
	if err == nil {
		err = s.keys.SetPrimary(id)
	}
	var text bytes.Buffer
	if err == nil {
		err = insecurecleartextkeyset.Write(s.handle(), keyset.NewJSONWriter(&text))
	}
	if err != nil {
		s.t.Fatal(err)
	}
	for _, key := range insecurecleartextkeyset.KeysetMaterial(s.handle()).GetKey() {
		s.secrets = append(s.secrets, base64.StdEncoding.EncodeToString(key.GetKeyData().GetValue()))
	}
	return text.String()
}

func (s *sealing) handle() *keyset.Handle {
	s.t.Helper()
	handle, err := s.keys.Handle()
	if err != nil {
		s.t.Fatal(err)
	}
	return handle
}

// write writes some records, with a field and a header that are encrypted.
func (s *sealing) write(ctx context.Context, records int) {
	s.t.Helper()
	key, err := aead.New(s.handle())
	if err != nil {
		s.t.Fatal(err)
	}
	envelopes := aead.NewKMSEnvelopeAEAD2(aead.AES256GCMKeyTemplate(), key)
	seal := func(path, plaintext string) []byte {
		s.secrets = append(s.secrets, strings.Trim(plaintext, `"`))
		sealed, err := envelopes.Encrypt([]byte(plaintext), []byte(sealedStream+":"+path))
		if err != nil {
			s.t.Fatal(err)
		}
		return sealed
	}
	for range records {
		card := seal("/card/number", fmt.Sprintf(`"plain-card-%04d"`, s.n))
		r := &kgo.Record{
			Topic: sealedStream, Key: []byte("k"), Value: fmt.Appendf(nil, `{"n":%d,"card":{"number":%q,"exp":1}}`, s.n, base64.StdEncoding.EncodeToString(card)),
			Headers: []kgo.RecordHeader{{Key: "secret", Value: seal("headers.secret", fmt.Sprintf("plain-header-%04d", s.n))}},
		}
		if err := s.kafka.ProduceSync(ctx, r).FirstErr(); err != nil {
			s.t.Fatal(err)
		}
		s.n++
	}
}

// listening is the text of an event stream, while it comes.
type listening struct {
	mu    sync.Mutex
	text  bytes.Buffer
	ended chan struct{}
}

func (l *listening) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *listening) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func listen(ctx context.Context, t *testing.T, in *instance, token string) *listening {
	t.Helper()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+in.addr+"/v1/streams/"+sealedStream+"/events?from=earliest", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+token)
	response, err := http.DefaultClient.Do(request) //nolint:bodyclose // the goroutine below closes it
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("listen: %v, %v", response, err)
	}
	l := &listening{ended: make(chan struct{})}
	go func() {
		defer close(l.ended)
		defer response.Body.Close()
		_, _ = io.Copy(l, response.Body)
	}()
	return l
}

// TestEncryptedRecords: of what a producer has encrypted with Tink, in a real Kafka, a
// principal with the right is sent the plaintext, and one without it nothing, live and in
// replays, through a rotation of the keys, and until the right is taken away. Neither the
// log nor the metrics have any of it, or of the keys.
func TestEncryptedRecords(t *testing.T) {
	t.Parallel()
	const each = 25
	ctx := within(t, time.Minute)
	topic(t, sealedStream, 1)
	const granted = ", decrypt: [/card/number, headers.secret]"
	in := newInstance(t, setup{
		streams: map[string]string{sealedStream: sealedStream + ", decrypt: {keyset: cards, paths: [/card/number, headers.secret]}"},
		grants:  "  - {when: {role: auditor}, subscribe: [" + sealedStream + "], replay: 24h" + granted + "}\n",
		more:    "encryption: {keysets: {cards: {file: cards.json}}}\nlog: {level: debug}\n",
	})
	file := filepath.Join(filepath.Dir(in.config), "cards.json")
	w := &sealing{t: t, kafka: kafkaClient(t), keys: keyset.NewManager()}
	write(t, file, w.rotate())
	if err := in.Start(ctx); err != nil {
		t.Fatal(err)
	}
	auditor, reader := token(t, "auditor", "auditor"), token(t, "reader", "reader")
	page := func(token string) string {
		t.Helper()
		text, err := get(ctx, "http://"+in.addr+"/v1/streams/"+sealedStream+"/records?from=earliest&limit=1000", token)
		if err != nil {
			text = err.Error()
		}
		return text
	}
	until := func(what string, holds func() bool) {
		t.Helper()
		for !holds() {
			if ctx.Err() != nil {
				t.Fatalf("%s: the time is up; the auditor is shown %.2000s", what, page(auditor))
			}
			time.Sleep(50 * time.Millisecond)
		}
	}
	shows := func(text string, plain int) bool {
		return strings.Count(text, "plain-card") == plain && strings.Count(text, "plain-header") == plain
	}
	hides := func(text string) bool {
		return strings.Count(text, `"data":{"n":`) >= w.n && !strings.Contains(text, "plain") && !strings.Contains(text, "number") &&
			!strings.Contains(text, "secret") && !strings.Contains(text, "undecrypted")
	}

	w.write(ctx, each)
	live, hidden := listen(ctx, t, in, auditor), listen(ctx, t, in, reader)
	w.write(ctx, each)
	until("with one key", func() bool { return shows(live.String(), 2*each) && shows(page(auditor), 2*each) })
	until("without the right", func() bool { return hides(hidden.String()) && hides(page(reader)) })

	// Another key, which the instance reads when it is told to.
	rotated := w.rotate()
	w.write(ctx, each)
	until("before it knows the key", func() bool {
		text := page(auditor)
		return shows(text, 2*each) && strings.Count(text, `"undecrypted":["/card/number","headers.secret"]`) == each && hides(page(reader))
	})
	write(t, file, rotated)
	if err := in.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	until("after it has read the key", func() bool { return shows(page(auditor), 3*each) && hides(page(reader)) })
	<-live.ended
	if text := live.String(); !strings.Contains(text, "stream_changed") {
		t.Errorf("the stream from before has ended with %s", text[max(0, len(text)-1000):])
	}

	// The right is taken away.
	live = listen(ctx, t, in, auditor)
	until("live again", func() bool { return shows(live.String(), 3*each) })
	write(t, in.config, strings.Replace(in.text, granted, "", 1))
	if err := in.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	until("after the right was taken away", func() bool { return hides(page(auditor)) })
	w.write(ctx, each)
	<-live.ended
	if text := live.String(); !strings.Contains(text, "rights_changed") || !shows(text, 3*each) {
		t.Errorf("the session with the right has ended with %s", text[max(0, len(text)-1000):])
	}

	metrics, err := in.ask(ctx, "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	log, err := os.ReadFile(in.LogFile())
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(log, []byte("records cannot be decrypted")) || !strings.Contains(metrics, `sluice_stream_undecrypted_records_total{stream="sealed"}`) {
		t.Errorf("neither the log nor the metrics tell what could not be decrypted: %s", metrics)
	}
	for _, secret := range w.secrets {
		if bytes.Contains(log, []byte(secret)) || strings.Contains(metrics, secret) {
			t.Errorf("the log or the metrics have %q in them", secret)
		}
	}
}
