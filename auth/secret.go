package auth

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"os"
)

const redacted = "[redacted]"

// maxSecretFile is the maximum size of a file that ReadSecret accepts, in bytes.
const maxSecretFile = 64 << 10

// Secret holds a password, key or token. Printing or encoding it (fmt with any verb,
// log/slog, encoding/json and other text encoders) shows the same fixed text for every
// secret, also if it is an unexported field of another value. The zero Secret is empty.
type Secret struct {
	// This is a pointer because fmt prints the unexported fields of a struct without
	// calling their methods, and does not follow pointers there.
	value *string
}

// NewSecret wraps a value.
func NewSecret(value string) Secret { return Secret{value: &value} }

// ReadSecret reads a secret from a file of at most 64 KiB. One line end at the end
// of the file, which editors add, is not part of the secret.
func ReadSecret(path string) (Secret, error) {
	file, err := os.Open(path)
	if err != nil {
		return Secret{}, fmt.Errorf("read secret: %w", err)
	}
	defer func() { _ = file.Close() }()
	content, err := io.ReadAll(io.LimitReader(file, maxSecretFile+1))
	if err != nil {
		return Secret{}, fmt.Errorf("read secret: %w", err)
	}
	if len(content) > maxSecretFile {
		return Secret{}, fmt.Errorf("read secret: %s is larger than %d bytes", path, maxSecretFile)
	}
	content = bytes.TrimSuffix(content, []byte("\n"))
	content = bytes.TrimSuffix(content, []byte("\r"))
	return NewSecret(string(content)), nil
}

// Reveal returns the value. The caller uses it and must not keep or print it.
func (s Secret) Reveal() string {
	if s.value == nil {
		return ""
	}
	return *s.value
}

// IsZero reports whether the secret is empty.
func (s Secret) IsZero() bool { return s.value == nil || *s.value == "" }

// String returns a fixed text instead of the value.
func (s Secret) String() string { return redacted }

// GoString returns a fixed text instead of the value.
func (s Secret) GoString() string { return redacted }

// Format writes a fixed text instead of the value, whatever the verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// LogValue returns a fixed text instead of the value.
func (s Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText returns a fixed text instead of the value. JSON uses it too.
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// UnmarshalText sets the value from a configuration.
func (s *Secret) UnmarshalText(text []byte) error {
	*s = NewSecret(string(text))
	return nil
}
