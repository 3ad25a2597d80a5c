package config

import (
	"fmt"
	"io"
	"log/slog"
	"net/url"

	"sluice/auth"
)

// SecretURL is a URL that may contain a password, which is masked, as by
// url.URL.Redacted, whenever the URL is printed, logged or encoded. Only Reveal returns it.
type SecretURL struct{ text auth.Secret }

// NewSecretURL wraps a URL, whether it is valid or not.
func NewSecretURL(text string) SecretURL { return SecretURL{text: auth.NewSecret(text)} }

// Reveal returns the URL with its password.
func (u SecretURL) Reveal() string { return u.text.Reveal() }

// IsZero reports whether there is no URL.
func (u SecretURL) IsZero() bool { return u.text.IsZero() }

// String returns the URL without its password. A URL that cannot be parsed is
// redacted as a whole, because the password may be anywhere in it.
func (u SecretURL) String() string {
	if u.IsZero() {
		return ""
	}
	parsed, err := url.Parse(u.Reveal())
	if err != nil || parsed.Opaque != "" || parsed.Host == "" {
		return u.text.String()
	}
	// Clients also accept passwords in the query.
	parsed.RawQuery, parsed.Fragment = "", ""
	return parsed.Redacted()
}

// Format prints String for every verb.
func (u SecretURL) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, u.String()) }

// LogValue returns String.
func (u SecretURL) LogValue() slog.Value { return slog.StringValue(u.String()) }

// MarshalText returns String. JSON and YAML use it too.
func (u SecretURL) MarshalText() ([]byte, error) { return []byte(u.String()), nil }
