package auth_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sluice/auth"
)

func TestSecretIsNeverPrinted(t *testing.T) {
	t.Parallel()
	const value = "hunter2"
	secret := auth.NewSecret(value)
	holder := struct {
		Open   auth.Secret
		hidden auth.Secret // fmt calls no method of an unexported field
		Map    map[string]auth.Secret
		Slice  []auth.Secret
		Any    any
	}{secret, secret, map[string]auth.Secret{"a": secret}, []auth.Secret{secret}, secret}
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%20s", "%T"} {
		fmt.Fprintf(&out, verb+"\n", secret)
		fmt.Fprintf(&out, verb+"\n", &secret)
		fmt.Fprintf(&out, verb+"\n", holder)
		fmt.Fprintf(&out, verb+"\n", &holder)
	}
	for _, handler := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
		slog.New(handler).Info("x", "secret", secret, "pointer", &secret, "holder", holder, "group", slog.GroupValue(slog.Any("s", secret)))
	}
	out.Write(must(json.Marshal(holder)))
	out.Write(must(json.Marshal(map[string]any{"s": secret, "p": &secret})))
	fmt.Fprintln(&out, secret, &secret, holder, auth.Credential{Source: auth.FromHeader, Token: secret}, auth.Issuer{Secret: secret})
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		if got := fmt.Sprintf(verb, secret); got != "[redacted]" {
			t.Errorf("%s prints %s", verb, got)
		}
	}
	if got := string(must(json.Marshal(secret))); got != `"[redacted]"` {
		t.Errorf("JSON is %s", got)
	}
	if got := secret.LogValue().String(); got != "[redacted]" {
		t.Errorf("the log value is %s", got)
	}
	for _, shown := range []string{value, "68756e74657232", "68756E74657232", "104 117 110"} {
		if strings.Contains(out.String(), shown) {
			t.Errorf("the secret was printed as %q", shown)
		}
	}
	if n := strings.Count(out.String(), "[redacted]"); n < 50 {
		t.Errorf("only %d times redacted in\n%s", n, out.String())
	}
}

func TestSecretHolds(t *testing.T) {
	t.Parallel()
	var s auth.Secret
	if !s.IsZero() || s.Reveal() != "" || !auth.NewSecret("").IsZero() {
		t.Error("the zero secret is not empty")
	}
	if err := s.UnmarshalText([]byte("a")); err != nil || s.Reveal() != "a" || s.IsZero() {
		t.Errorf("got %q, %v", s.Reveal(), err)
	}
	path := filepath.Join(t.TempDir(), "key")
	for content, want := range map[string]string{"abc": "abc", "abc\n": "abc", "abc\r\n": "abc", "a\nb \n\n": "a\nb \n", "": ""} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if s, err := auth.ReadSecret(path); err != nil || s.Reveal() != want {
			t.Errorf("%q: got %q, %v", content, s.Reveal(), err)
		}
	}
	if _, err := auth.ReadSecret(path + "x"); err == nil {
		t.Error("a missing file was read")
	}
	if err := os.WriteFile(path, make([]byte, 65<<10), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := auth.ReadSecret(path); err == nil {
		t.Error("a huge file was read")
	}
}
