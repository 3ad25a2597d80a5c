package auth

import (
	"crypto/rand"
	"encoding/base64"
)

// ticketBytes is how many random bytes a ticket has.
const ticketBytes = 32

// NewTicket returns a ticket of 256 random bits: 43 characters of base64url, which
// need no escape in a query.
func NewTicket() Secret {
	var random [ticketBytes]byte
	_, _ = rand.Read(random[:])
	return NewSecret(base64.RawURLEncoding.EncodeToString(random[:]))
}

// IsTicket reports whether a text has the form of a ticket.
func IsTicket(text string) bool {
	if len(text) != base64.RawURLEncoding.EncodedLen(ticketBytes) {
		return false
	}
	random, err := base64.RawURLEncoding.Strict().DecodeString(text)
	return err == nil && len(random) == ticketBytes
}
