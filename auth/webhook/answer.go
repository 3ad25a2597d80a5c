package webhook

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"sluice/auth"
)

// latestMillis is the end of the year 9999.
const latestMillis = 253402300799_000

// maxClaimsBytes bounds the claims of an answer, with sub and iss.
const maxClaimsBytes = 4 << 10

// identity parses the answer about a credential:
//
//	{"subject":"u42","claims":{"role":"reader"},"expires_at":1795245600000}
//
// claims and expires_at, in Unix milliseconds, can be left out. The claims get `sub`
// and `iss`, which an answer may repeat but not contradict: grants and row filters
// rely on them.
func (h *Hook) identity(body []byte, now time.Time) (verdict, error) {
	members, err := object(body, "subject", "claims", "expires_at")
	if err != nil {
		return verdict{}, err
	}
	var subject string
	if json.Unmarshal(members["subject"], &subject) != nil || !validSubject(subject) {
		return verdict{}, errors.New("subject is not a string of 1 to 256 bytes without control characters")
	}
	claims, err := claimsOf(members["claims"], subject)
	if err != nil {
		return verdict{}, err
	}
	expires := now.Add(h.lifetime)
	if text, ok := members["expires_at"]; ok {
		var at int64
		if json.Unmarshal(text, &at) != nil || string(text) == "null" || at < 0 || at > latestMillis {
			return verdict{}, errors.New("expires_at is not a time in Unix milliseconds")
		}
		if sooner := time.UnixMilli(at); sooner.Before(expires) {
			expires = sooner
		}
	}
	return verdict{identity: &auth.Identity{Issuer: Issuer, Subject: subject, Claims: claims, ExpiresAt: expires}}, nil
}

// validSubject also refuses U+FFFD, which stands for whatever was no character, so
// that two subjects could become one.
func validSubject(s string) bool {
	return auth.ValidSubject(s) && !strings.ContainsRune(s, utf8.RuneError)
}

// claimsOf returns the claims of an identity.
func claimsOf(text json.RawMessage, subject string) ([]byte, error) {
	claims := map[string]json.RawMessage{}
	if text != nil {
		if err := json.Unmarshal(text, &claims); err != nil || claims == nil {
			return nil, errors.New("claims is not an object")
		}
	}
	for name, want := range map[string]string{"sub": subject, "iss": Issuer} {
		if have, ok := claims[name]; ok {
			var said string
			if json.Unmarshal(have, &said) != nil || said != want {
				return nil, fmt.Errorf("the claim %s contradicts the subject or is not %s", name, Issuer)
			}
		}
		quoted, err := json.Marshal(want)
		if err != nil {
			return nil, err
		}
		claims[name] = quoted
	}
	encoded, err := json.Marshal(claims)
	if err != nil {
		return nil, err
	}
	if len(encoded) > maxClaimsBytes {
		return nil, fmt.Errorf("claims are longer than %d bytes", maxClaimsBytes)
	}
	return encoded, nil
}

// approval parses the answer about a subscription or a publish: {"allow":true}.
func approval(body []byte, _ time.Time) (verdict, error) {
	members, err := object(body, "allow")
	if err != nil {
		return verdict{}, err
	}
	switch string(members["allow"]) {
	case "true":
		return verdict{allowed: true}, nil
	case "false":
		return verdict{}, nil
	}
	return verdict{}, errors.New("allow is not true or false")
}
