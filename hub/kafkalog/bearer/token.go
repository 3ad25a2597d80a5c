package bearer

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"regexp"
	"strings"
	"time"
)

// Source gives tokens. Token makes at most one attempt, which ends with the context. Its
// errors contain nothing that is secret.
type Source interface {
	Token(ctx context.Context) (Token, error)
}

// Token is a bearer token. Printing it shows a fixed text.
type Token struct {
	text *string // a pointer, because fmt prints unexported fields without their methods
	// Expires is when the token ends, zero if the token does not say.
	Expires time.Time
}

// MaxToken bounds a token, in bytes.
const MaxToken = 64 << 10

var (
	errNotAToken = errors.New("the token is empty, too large, or has characters that a bearer token cannot have (RFC 6750, section 2.1)")
	errExpired   = errors.New("the token has expired")
)

// bearerToken is the syntax of tokens (RFC 6750 section 2.1).
var bearerToken = regexp.MustCompile(`^[A-Za-z0-9._~+/-]+=*$`)

// NewToken returns a token. The zero time stands for an unknown end; if the token is a
// JWT, its `exp` counts too, and the earlier of both is the end.
func NewToken(text string, expires time.Time) (Token, error) {
	if len(text) > MaxToken || !bearerToken.MatchString(text) {
		return Token{}, errNotAToken
	}
	if end := endOfJWT(text); !end.IsZero() && (expires.IsZero() || end.Before(expires)) {
		expires = end
	}
	return Token{text: &text, Expires: expires}, nil
}

// Reveal returns the token. The caller must not keep or print it.
func (t Token) Reveal() string {
	if t.text == nil {
		return ""
	}
	return *t.text
}

const redacted = "[redacted]"

// Format writes a fixed text instead of the token, whatever the verb.
func (t Token) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// LogValue returns a fixed text instead of the token.
func (t Token) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText returns a fixed text instead of the token. JSON uses it too.
func (t Token) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// endOfJWT returns the `exp` of a token (RFC 7519 section 4.1.4), zero if it cannot be
// read. The signature is the broker's business.
func endOfJWT(text string) time.Time {
	parts := strings.Split(text, ".")
	if len(parts) != 3 {
		return time.Time{}
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return time.Time{}
	}
	var claims map[string]json.RawMessage
	if json.Unmarshal(payload, &claims) != nil {
		return time.Time{}
	}
	var seconds float64
	if json.Unmarshal(claims["exp"], &seconds) != nil || math.IsNaN(seconds) {
		return time.Time{}
	}
	return time.Unix(int64(min(max(seconds, 1), maxSeconds)), 0)
}

// maxSeconds is a time in the year 9999, in seconds since 1970.
const maxSeconds = 253_370_764_800
