package webhook

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"unicode/utf8"

	"sluice/auth"
)

// connectQuestion is the body of a request about a credential.
type connectQuestion struct {
	Event      Event      `json:"event"`
	Credential credential `json:"credential"`
	Address    string     `json:"address,omitempty"`
	// Certificate is the base64url SHA-256 sum of the client's certificate.
	Certificate string      `json:"certificate_sha256,omitempty"`
	Headers     http.Header `json:"headers,omitempty"`
}

type credential struct {
	Scheme auth.Scheme `json:"scheme"`
	Token  string      `json:"token"`
}

// Verify implements auth.Verifier for bearer tokens and API keys. It is to be asked
// last, as it cannot tell which of them are for the service.
func (h *Hook) Verify(ctx context.Context, c auth.Credential) (*auth.Identity, error) {
	if !h.Asks(Connect) || c.Scheme != auth.SchemeBearer && c.Scheme != auth.SchemeAPIKey {
		return nil, auth.ErrOtherCredential
	}
	if !utf8.ValidString(c.Token.Reveal()) {
		return nil, fmt.Errorf("%w: the credential is not UTF-8", auth.ErrUnauthenticated)
	}
	question := connectQuestion{
		Event:      Connect,
		Credential: credential{Scheme: c.Scheme, Token: c.Token.Reveal()},
		Address:    c.Proof.Address,
		Headers:    c.Proof.Headers,
	}
	if cert := c.Proof.Certificate; cert != nil {
		sum := sha256.Sum256(cert.Raw)
		question.Certificate = base64.RawURLEncoding.EncodeToString(sum[:])
	}
	body, err := json.Marshal(question)
	if err != nil {
		return nil, fmt.Errorf("encode question: %w", err)
	}
	answer, err := h.ask(ctx, Connect, body, h.identity, auth.ErrVerifierUnavailable)
	switch {
	case err != nil:
		return nil, err
	case answer.identity == nil:
		return nil, fmt.Errorf("%w: the webhook refuses the credential", auth.ErrUnauthenticated)
	}
	return answer.identity, nil
}
