package webhook

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"sluice/auth"
)

const (
	// secretPrefix marks a secret in base64, as Standard Webhooks writes it.
	secretPrefix = "whsec_"
	// minSecretBytes is the minimum that Standard Webhooks requires.
	minSecretBytes = 24
)

// signer adds to a request what authenticates the server.
type signer func(h http.Header, body []byte, now time.Time)

// CheckSecret returns why a secret cannot be used, or nil. No secret is not checked.
func CheckSecret(secret auth.Secret, bearer bool) error {
	_, err := newSigner(secret, bearer)
	return err
}

// newSigner returns the signer for a secret: by Standard Webhooks 1.0.0, whose
// signature covers an id, the time and the body, or as a bearer token (RFC 6750).
func newSigner(secret auth.Secret, bearer bool) (signer, error) {
	text := secret.Reveal()
	if text == "" {
		return func(http.Header, []byte, time.Time) {}, nil
	}
	key := []byte(text)
	if encoded, ok := strings.CutPrefix(text, secretPrefix); ok && !bearer {
		var err error
		if key, err = base64.StdEncoding.DecodeString(encoded); err != nil {
			return nil, fmt.Errorf("check secret: after %s it is not base64", secretPrefix)
		}
	}
	switch {
	case len(key) < minSecretBytes:
		return nil, fmt.Errorf("check secret: it is shorter than %d bytes", minSecretBytes)
	case bearer && strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r >= 0x7f }):
		return nil, errors.New("check secret: a bearer token consists of visible ASCII characters")
	case bearer:
		return func(h http.Header, _ []byte, _ time.Time) { h.Set("Authorization", "Bearer "+text) }, nil
	}
	return func(h http.Header, body []byte, now time.Time) {
		id, at := "msg_"+rand.Text(), strconv.FormatInt(now.Unix(), 10)
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(id + "." + at + "."))
		mac.Write(body)
		h.Set("Webhook-Id", id)
		h.Set("Webhook-Timestamp", at)
		h.Set("Webhook-Signature", "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	}, nil
}
