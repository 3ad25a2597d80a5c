package main

import (
	"crypto/tls"
	"encoding/pem"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestCommandsEndWhereTheServerCannotBeReached: all commands that connect to a server say what to do,
// and try nothing for ever.
func TestCommandsEndWhereTheServerCannotBeReached(t *testing.T) {
	t.Parallel()
	quiet := func(s *httptest.Server) *httptest.Server {
		s.Config.ErrorLog = log.New(io.Discard, "", 0)
		t.Cleanup(s.Close)
		return s
	}
	answer := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		body := `{"streams":[],"sessions":[],"cursors":[]}`
		if r.Method == http.MethodPost {
			body = `{"partition":2,"offset":5,"results":[{"partition":2,"offset":5}]}`
		}
		_, _ = io.WriteString(w, body)
	})
	secured, plain := quiet(httptest.NewUnstartedServer(answer)), quiet(httptest.NewServer(answer))
	secured.StartTLS()
	mutual := quiet(httptest.NewUnstartedServer(answer))
	mutual.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert, MinVersion: tls.VersionTLS12}
	mutual.StartTLS()
	dir := t.TempDir()
	file := func(name, kind string, der []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	authority := file("ca.pem", "CERTIFICATE", secured.Certificate().Raw)

	commands := [][]string{{"tail", "s"}, {"publish", "s", "1"}, {"publish", "s"}, {"streams"}, {"bench", "--stream", "s"}, {"sessions"}, {"cursors"}, {"revoke", "--subject", "u"}}
	with := func(command []string, url string, more ...string) []string {
		to := "--server"
		switch command[0] {
		case "sessions", "cursors", "revoke":
			to = "--admin"
		}
		return append(append(append([]string{}, command...), to, url), more...)
	}
	for _, c := range []struct {
		url, says string
		flags     []string
	}{
		{secured.URL, "give the authority of its certificate with --ca-file", nil},
		{strings.Replace(secured.URL, "127.0.0.1", "localhost", 1), "use a URL with a name that the certificate has", []string{"--ca-file", authority}},
		{strings.Replace(secured.URL, "https:", "http:", 1), "the URL begins with https://", nil},
		{strings.Replace(plain.URL, "http:", "https:", 1), "the URL begins with http://", nil},
		{mutual.URL, "give one that the server accepts with --cert-file and --key-file", []string{"--ca-file", authority}},
	} {
		for _, command := range commands {
			out, errs, code := sluice(t, "127.0.0.1:1", "1\n", with(command, c.url, c.flags...)...)
			if code != exitFailed || !strings.Contains(errs, c.says) || strings.Contains(errs, "trying again") {
				t.Errorf("%v %s: got %d: %s%s", command, c.url, code, out, errs)
			}
			if command[0] == "publish" && (strings.Contains(errs, "may be stored") || !strings.Contains(errs, "not stored")) {
				t.Errorf("%v %s: %s", command, c.url, errs)
			}
		}
	}
	for _, command := range [][]string{{"publish", "s", "1"}, {"publish", "s"}, {"streams"}, {"sessions"}, {"cursors"}} {
		if out, errs, code := sluice(t, "127.0.0.1:1", "1\n", with(command, secured.URL, "--ca-file", authority)...); code != exitOK {
			t.Errorf("%v with the authority: got %d: %s%s", command, code, out, errs)
		}
	}
	for _, flags := range [][]string{{"--ca-file", "nowhere"}, {"--cert-file", authority}, {"--cert-file", authority, "--key-file", authority}} {
		if _, errs, code := sluice(t, "127.0.0.1:1", "", with([]string{"streams"}, secured.URL, flags...)...); code != exitUsage {
			t.Errorf("%v: got %d: %s", flags, code, errs)
		}
	}
}

// TestAdminListenersAreRecognized: what another server answers is no success.
func TestAdminListenersAreRecognized(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]http.HandlerFunc{
		"a page":     func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>") },
		"a redirect": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/login", http.StatusFound) },
		"not found":  http.NotFound,
	} {
		server := httptest.NewServer(answer)
		for _, command := range [][]string{{"sessions"}, {"cursors"}, {"sessions", "--kick", "s_A"}, {"sessions", "--drain", "s_A"}, {"revoke", "--subject", "u"}} {
			_, errs, code := sluice(t, "127.0.0.1:1", "", append(command, "--admin", server.URL)...)
			if code != exitFailed || !strings.Contains(errs, "is not that of Sluice's admin listener: is --admin right?") {
				t.Errorf("%s: %v: got %d: %s", name, command, code, errs)
			}
		}
		server.Close()
	}
}
