package config

import (
	"fmt"
	"log/slog"
	"net/url"
)

const redacted = "[redacted]"

// Secret is a password or key. However it is printed, logged or encoded, what
// shows is [redacted]; Reveal is the only way to its bytes.
type Secret struct{ bytes []byte }

// NewSecret keeps a copy of the bytes.
func NewSecret(b []byte) Secret { return Secret{bytes: append([]byte(nil), b...)} }

// Reveal returns the secret. It must not be changed.
func (s Secret) Reveal() []byte { return s.bytes }

// IsZero reports whether there is none.
func (s Secret) IsZero() bool { return len(s.bytes) == 0 }

// Format prints [redacted] for every verb.
func (Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// LogValue is [redacted].
func (Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText is [redacted], in JSON and YAML too.
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// SecretURL is a URL that may hold a password, which shows as xxxxx however it
// is printed, logged or encoded. Reveal is the only way to it.
type SecretURL struct{ text string }

// NewSecretURL keeps a URL, whether it is valid or not.
func NewSecretURL(text string) SecretURL { return SecretURL{text: text} }

// Reveal returns the URL with its password.
func (u SecretURL) Reveal() string { return u.text }

// String returns the URL without its password. Of one that cannot be parsed
// nothing shows, as nobody knows where in it the password is.
func (u SecretURL) String() string {
	if u.text == "" {
		return ""
	}
	parsed, err := url.Parse(u.text)
	if err != nil || parsed.Opaque != "" || parsed.Host == "" {
		return redacted
	}
	// Clients also take passwords from the query.
	parsed.RawQuery, parsed.Fragment = "", ""
	return parsed.Redacted()
}

// Format prints String for every verb.
func (u SecretURL) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(u.String())) }

// LogValue is String.
func (u SecretURL) LogValue() slog.Value { return slog.StringValue(u.String()) }

// MarshalText is String, in JSON and YAML too.
func (u SecretURL) MarshalText() ([]byte, error) { return []byte(u.String()), nil }
