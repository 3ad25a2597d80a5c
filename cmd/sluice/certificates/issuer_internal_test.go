package certificates

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// TestIssuerIsBounded: what an ACME server sends cannot take the requests elsewhere,
// nor keep them for long.
func TestIssuerIsBounded(t *testing.T) {
	t.Parallel()
	mux := http.NewServeMux()
	mux.HandleFunc("/away", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/here", http.StatusFound) })
	mux.HandleFunc("/large", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.Copy(w, io.LimitReader(zeros{}, 4*issuerAnswer))
	})
	mux.HandleFunc("/later", func(w http.ResponseWriter, r *http.Request) { w.Header().Set("Retry-After", r.URL.RawQuery) })
	began := make(chan struct{})
	mux.HandleFunc("/never", func(w http.ResponseWriter, r *http.Request) {
		w.(http.Flusher).Flush()
		close(began)
		<-r.Context().Done()
	})
	server := httptest.NewServer(mux)
	defer server.Close()
	i, err := newIssuer("")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	i.stopWith(ctx)
	client := i.client()
	get := func(path string) (status int, later string, body []byte, err error) {
		answer, err := client.Get(server.URL + path)
		if err != nil {
			return 0, "", nil, err
		}
		defer func() { _ = answer.Body.Close() }()
		body, err = io.ReadAll(answer.Body)
		return answer.StatusCode, answer.Header.Get("Retry-After"), body, err
	}
	if status, _, _, err := get("/away"); err != nil || status != http.StatusFound {
		t.Errorf("a redirect: %v", err)
	}
	if _, _, body, err := get("/large"); err != nil || len(body) != issuerAnswer {
		t.Errorf("a large answer: %d bytes, %v", len(body), err)
	}
	for sent, want := range map[string]string{"3": "3", "3600": "5", "-1": "5", "Wed,+21+Oct+2037+07:28:00+GMT": "5"} {
		_, got, _, err := get("/later?" + sent)
		if err != nil {
			t.Fatal(err)
		}
		if got != want {
			t.Errorf("Retry-After: %s becomes %s, want %s", sent, got, want)
		}
	}
	for _, url := range []string{"http://ca.example/", "ftp://127.0.0.1/", "https://user:pw@ca.example/"} {
		answer, err := client.Get(url)
		if answer != nil {
			_ = answer.Body.Close()
		}
		if !errors.Is(err, errInsecure) {
			t.Errorf("%s: %v", url, err)
		}
	}
	for n, want := range map[int]time.Duration{1: issuerPause, 3: 4 * issuerPause, issuerAttempts: 0, 30: 0} {
		if got := i.retryAfter(n, nil, nil); got != want {
			t.Errorf("attempt %d is repeated after %v, want %v", n, got, want)
		}
	}
	stopped := make(chan error, 1)
	go func() { _, _, _, err := get("/never"); stopped <- err }()
	<-began
	cancel()
	if err := <-stopped; !errors.Is(err, context.Canceled) {
		t.Errorf("a request beyond the end: %v", err)
	}
	if i.retryAfter(1, nil, nil) != 0 {
		t.Error("requests are repeated after the end")
	}
	if _, _, _, err := get("/later?1"); err == nil || !strings.Contains(err.Error(), "canceled") {
		t.Errorf("a request after the end: %v", err)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }
