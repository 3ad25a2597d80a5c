package auth

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"os"
)

const redacted = "[redacted]"

// maxSecretFile bounds what ReadSecret takes, in bytes.
const maxSecretFile = 64 << 10

// Secret holds a password, key or token. Whatever prints it (fmt with any verb,
// log/slog, encoding/json and other text encoders) shows that it is redacted,
// also where it is an unexported field of something else. The zero Secret is
// empty.
type Secret struct {
	// Behind a pointer, since fmt reads the unexported fields of a struct
	// without asking their methods, and does not follow pointers there.
	value *string
}

// NewSecret hides a value.
func NewSecret(value string) Secret { return Secret{value: &value} }

// ReadSecret reads a secret from a file of at most 64 KiB. One line end at the
// end of the file, which editors put there, does not belong to the secret.
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

// Reveal gives the value, to be used and not to be kept or printed.
func (s Secret) Reveal() string {
	if s.value == nil {
		return ""
	}
	return *s.value
}

// IsZero reports whether there is nothing to hide.
func (s Secret) IsZero() bool { return s.value == nil || *s.value == "" }

// String says that the value is redacted.
func (s Secret) String() string { return redacted }

// GoString says that the value is redacted.
func (s Secret) GoString() string { return redacted }

// Format says that the value is redacted, whatever the verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// LogValue says that the value is redacted.
func (s Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText says that the value is redacted. JSON uses it too.
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// UnmarshalText takes a value over from a configuration.
func (s *Secret) UnmarshalText(text []byte) error {
	*s = NewSecret(string(text))
	return nil
}
