package config

import (
	"fmt"
	"io"
	"log/slog"
	"net/url"

	"sluice/auth"
)

// SecretURL is a URL that may hold a password, which shows as xxxxx however it
// is printed, logged or encoded. Reveal is the only way to it.
type SecretURL struct{ text auth.Secret }

// NewSecretURL keeps a URL, whether it is valid or not.
func NewSecretURL(text string) SecretURL { return SecretURL{text: auth.NewSecret(text)} }

// Reveal returns the URL with its password.
func (u SecretURL) Reveal() string { return u.text.Reveal() }

// IsZero reports whether there is none.
func (u SecretURL) IsZero() bool { return u.text.IsZero() }

// String returns the URL without its password. Of one that cannot be parsed
// nothing shows, as nobody knows where in it the password is.
func (u SecretURL) String() string {
	if u.IsZero() {
		return ""
	}
	parsed, err := url.Parse(u.Reveal())
	if err != nil || parsed.Opaque != "" || parsed.Host == "" {
		return u.text.String()
	}
	// Clients also take passwords from the query.
	parsed.RawQuery, parsed.Fragment = "", ""
	return parsed.Redacted()
}

// Format prints String for every verb.
func (u SecretURL) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, u.String()) }

// LogValue is String.
func (u SecretURL) LogValue() slog.Value { return slog.StringValue(u.String()) }

// MarshalText is String, in JSON and YAML too.
func (u SecretURL) MarshalText() ([]byte, error) { return []byte(u.String()), nil }
