package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestAddressesWithoutAScheme: HOST:PORT on this machine is a URL without TLS; of another machine, the
// error says what a URL is.
func TestAddressesWithoutAScheme(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"127.0.0.1:8080":             "http://127.0.0.1:8080",
		"localhost:8080/base":        "http://localhost:8080/base",
		"[::1]:8080":                 "http://[::1]:8080",
		"10.0.0.1:8080":              "10.0.0.1:8080",
		"localhost.example.com:8080": "localhost.example.com:8080",
		"https://127.0.0.1:8080":     "https://127.0.0.1:8080",
		"127.0.0.1":                  "127.0.0.1",
		"":                           "",
	} {
		if got := urlOf(address); got != want {
			t.Errorf("%s: got %s, want %s", address, got, want)
		}
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"streams":[],"sessions":[]}`)
	}))
	defer server.Close()
	for command, flag := range map[string]string{"streams": "--server", "sessions": "--admin"} {
		if _, errs, code := sluice(t, "127.0.0.1:1", "", command, flag, strings.TrimPrefix(server.URL, "http://")); code != exitOK {
			t.Errorf("%s: got %d: %s", command, code, errs)
		}
		if _, errs, code := sluice(t, "127.0.0.1:1", "", command, flag, "10.0.0.1:8080"); code != exitUsage || !strings.Contains(errs, "http://") || strings.Contains(errs, "segment") {
			t.Errorf("%s of another machine: got %d: %s", command, code, errs)
		}
	}
}

// TestNobodyListens: what is said is short, and what to do.
func TestNobodyListens(t *testing.T) {
	t.Parallel()
	const at = "127.0.0.1:2" // none that another test can be given, nor that of the environment
	for _, command := range [][]string{{"streams", "--server"}, {"publish", "s", "1", "--server"}, {"sessions", "--admin"}, {"revoke", "--subject", "u", "--admin"}} {
		flag := command[len(command)-1]
		_, errs, code := sluice(t, "127.0.0.1:1", "", append(command, "http://"+at)...)
		if code != exitFailed || !strings.Contains(errs, "connect to "+at+": connection refused") || strings.Contains(errs, "/v1/") ||
			!strings.Contains(errs, "is the server running") || !strings.Contains(errs, flag) {
			t.Errorf("%v: got %d: %s", command, code, errs)
		}
	}
}

// TestTailWithATokenThatIsRefused: the file is read again before tail ends, which is not a connection
// to wait for.
func TestTailWithATokenThatIsRefused(t *testing.T) {
	t.Parallel()
	asked := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked++
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = io.WriteString(w, `{"code":"token_expired","detail":"the token has expired","action":"reauthenticate","retryable":false}`)
	}))
	defer server.Close()
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("expired"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, errs, code := sluice(t, "127.0.0.1:1", "", "tail", "s", "--server", server.URL, "--token-file", file)
	if code != exitFailed || strings.Count(errs, "\n") != 1 || !strings.Contains(errs, "the token has expired") || asked < 2 {
		t.Errorf("got %d after %d requests: %s", code, asked, errs)
	}
}
