package auth

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
)

// fromBasic makes the API key of the user name and password of `Authorization: Basic` (RFC
// 7617) a credential: the ID of the key and its secret, or the ID and the whole key.
//
// Browsers remember Basic credentials and send them again without asking the page, so a
// request that a page has made is refused, whatever its origin.
func fromBasic(r *http.Request, encoded string, options RequestOptions) (Credential, error) {
	if isFromPage(r) {
		return Credential{}, fmt.Errorf("%w: the Authorization scheme Basic is not for pages: send Bearer and a token", ErrUnsupportedCredential)
	}
	if limit := options.tokenBytes(); len(encoded) > base64.StdEncoding.EncodedLen(limit) {
		return Credential{}, errTokenTooLong
	}
	text, err := base64.StdEncoding.Strict().DecodeString(encoded)
	user, password, ok := strings.Cut(string(text), ":")
	if err != nil || !ok || user == "" || strings.Contains(user, "_") || password == "" {
		return Credential{}, unauthenticated("the Authorization scheme Basic requires the ID of an API key as user name and its secret as password")
	}
	// The secret of a key can have any character but a space, so the password is a whole key
	// only if it begins with this user's.
	id := APIKeyPrefix + user + "_"
	return Credential{Source: FromHeader, Scheme: SchemeAPIKey, Token: NewSecret(id + strings.TrimPrefix(password, id))}, nil
}
