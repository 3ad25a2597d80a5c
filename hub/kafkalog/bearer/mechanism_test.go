package bearer_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"sluice/hub/kafkalog/bearer"
)

// TestExchange: the messages of RFC 7628 section 3, and the extensions of KIP-342.
func TestExchange(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tokens, _ := running(t, &source{lifetime: time.Hour}, nil)
		m, err := bearer.NewMechanism(tokens, map[string]string{"logicalCluster": "lkc-1", "identityPoolId": "pool 2"})
		if err != nil || m.Name() != "OAUTHBEARER" {
			t.Fatal(err)
		}
		exchange, first, err := m.Start(t.Context())
		if want := "n,,\x01auth=Bearer token-1\x01identityPoolId=pool 2\x01logicalCluster=lkc-1\x01\x01"; err != nil || string(first) != want {
			t.Errorf("got %q, %v", first, err)
		}
		if done, answer, err := exchange.Next(t.Context(), nil); !done || answer != nil || err != nil {
			t.Errorf("accepted: %v %q %v", done, answer, err)
		}
		exchange, _, err = m.Start(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if done, answer, err := exchange.Next(t.Context(), []byte(`{"status":"invalid_token"}`)); done || string(answer) != "\x01" || err != nil {
			t.Errorf("refused: %v %q %v", done, answer, err)
		}
		if done, _, err := exchange.Next(t.Context(), nil); done || err == nil {
			t.Error("a broker that refused the token was believed to accept it")
		}
	})
}

func TestExtensions(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, value string
		ok          bool
	}{
		{"a", "b", true},
		{"logicalCluster", "lkc-1 = x", true},
		{"auth", "b", false},
		{"AUTH", "b", false},
		{"", "b", false},
		{"a1", "b", false},
		{"a=b", "c", false},
		{"a", "", false},
		{"a", "b\x01auth=Bearer c", false},
		{"a", "b\n", false},
		{"a", "ä", false},
		{"a", strings.Repeat("b", 1001), false},
	} {
		if err := bearer.CheckExtension(test.name, test.value); (err == nil) != test.ok {
			t.Errorf("%q=%.20q: %v", test.name, test.value, err)
		}
		if _, err := bearer.NewMechanism(nil, map[string]string{test.name: test.value}); (err == nil) != test.ok {
			t.Errorf("%q=%.20q: %v", test.name, test.value, err)
		}
	}
}

func TestTokenIsNeverPrinted(t *testing.T) {
	t.Parallel()
	token, err := bearer.NewToken(accessToken, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	holder := struct {
		Open   bearer.Token
		hidden bearer.Token
	}{token, token}
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		fmt.Fprintf(&out, verb+"\n"+verb+"\n"+verb+"\n", token, &token, holder)
	}
	slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "token", token, "holder", holder)
	encoded, err := json.Marshal(holder)
	if err != nil {
		t.Fatal(err)
	}
	out.Write(encoded)
	for _, shown := range []string{accessToken, fmt.Sprintf("%x", accessToken)} {
		if strings.Contains(out.String(), shown) {
			t.Errorf("the token was printed:\n%s", &out)
		}
	}
}

// TestTokenFile: the file is read again, whatever replaces it.
func TestTokenFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "token")
	file := bearer.File{Path: path}
	write := func(content string) {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for content, want := range map[string]string{"a": "a", " b\r\n\n": "b", "a b": "", "": "", strings.Repeat("a", 1<<20): "", "\x00": ""} {
		write(content)
		got, err := file.Token(t.Context())
		if got.Reveal() != want || (err == nil) != (want != "") {
			t.Errorf("%.10q: got %q, %v", content, got.Reveal(), err)
		}
		if err != nil && len(err.Error()) > 400 {
			t.Errorf("the error has %d bytes", len(err.Error()))
		}
	}
	write(jwt("4102444800") + "\n")
	if got, err := file.Token(t.Context()); err != nil || got.Expires.Unix() != 4102444800 {
		t.Errorf("it ends at %v, %v", got.Expires, err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if _, err := file.Token(t.Context()); err == nil || strings.Count(err.Error(), path) != 1 {
		t.Errorf("without a file: %v", err)
	}
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := file.Token(t.Context()); err == nil {
		t.Error("a pipe was read")
	}
}
