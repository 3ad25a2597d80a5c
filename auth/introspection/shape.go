package introspection

import (
	"encoding/base64"
	"encoding/json"
	"strings"
)

// shape reports whether a token is a signed JWT (RFC 7519 section 3), by its looks, and
// which issuer it names. Nothing of it has been verified.
func shape(token string) (isJWT bool, issuer string) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return false, ""
	}
	var header, claims map[string]json.RawMessage
	if !object(parts[0], &header) || header["alg"] == nil || !object(parts[1], &claims) {
		return false, ""
	}
	_ = json.Unmarshal(claims["iss"], &issuer) // stays empty if it is no string
	return true, issuer
}

func object(part string, to *map[string]json.RawMessage) bool {
	text, err := base64.RawURLEncoding.DecodeString(part)
	return err == nil && json.Unmarshal(text, to) == nil && *to != nil
}
