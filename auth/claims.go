package auth

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"strconv"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// latestDate is the end of the year 9999 in Unix seconds. A later time in a
// token is a mistake or an attempt to make a conversion overflow.
const latestDate = 253402300799

var errClaim = errors.New("a claim has the wrong type")

// claims are a token's claims (RFC 7519 section 4). Numbers are kept as text, so
// that two large numbers never become equal.
type claims map[string]any

// maxClaimsDepth bounds the nesting of claims.
const maxClaimsDepth = 64

// UnmarshalJSON keeps numbers as text. Names must be unique (RFC 7519, section 4).
func (c *claims) UnmarshalJSON(text []byte) error {
	if err := CheckMembers(text, maxClaimsDepth); err != nil {
		return err
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	return decoder.Decode((*map[string]any)(c))
}

// GetExpirationTime returns `exp`, nil if there is none.
func (c claims) GetExpirationTime() (*jwt.NumericDate, error) { return c.date("exp") }

// GetIssuedAt returns `iat`, nil if there is none.
func (c claims) GetIssuedAt() (*jwt.NumericDate, error) { return c.date("iat") }

// GetNotBefore returns `nbf`, nil if there is none.
func (c claims) GetNotBefore() (*jwt.NumericDate, error) { return c.date("nbf") }

// GetIssuer returns `iss`.
func (c claims) GetIssuer() (string, error) { return c.text("iss") }

// GetSubject returns `sub`.
func (c claims) GetSubject() (string, error) { return c.text("sub") }

// GetAudience returns `aud`, which is a string or an array of strings.
func (c claims) GetAudience() (jwt.ClaimStrings, error) {
	switch audience := c["aud"].(type) {
	case nil:
		return nil, nil
	case string:
		return jwt.ClaimStrings{audience}, nil
	case []any:
		several := make(jwt.ClaimStrings, 0, len(audience))
		for _, one := range audience {
			text, ok := one.(string)
			if !ok {
				return nil, errClaim
			}
			several = append(several, text)
		}
		return several, nil
	default:
		return nil, errClaim
	}
}

func (c claims) text(name string) (string, error) {
	value, ok := c[name]
	if !ok {
		return "", nil
	}
	text, ok := value.(string)
	if !ok {
		return "", errClaim
	}
	return text, nil
}

// date reads a NumericDate: seconds, which may have a fraction.
func (c claims) date(name string) (*jwt.NumericDate, error) {
	value, ok := c[name]
	if !ok {
		return nil, nil
	}
	number, ok := value.(json.Number)
	if !ok {
		return nil, errClaim
	}
	seconds, err := number.Float64()
	if err != nil || seconds < 0 || seconds > latestDate {
		return nil, errClaim
	}
	whole, fraction := math.Modf(seconds)
	return &jwt.NumericDate{Time: time.Unix(int64(whole), int64(fraction*1e9))}, nil
}

// find follows a path through nested objects.
func (c claims) find(path []string) (any, bool) {
	var at any = map[string]any(c)
	for _, name := range path {
		object, ok := at.(map[string]any)
		if !ok {
			return nil, false
		}
		if at, ok = object[name]; !ok {
			return nil, false
		}
	}
	return at, true
}

// claimText returns a claim's value as text for the comparison with a condition. It
// is empty for arrays, objects and null.
func claimText(value any) string {
	switch value := value.(type) {
	case string:
		return value
	case json.Number:
		return value.String()
	case bool:
		return strconv.FormatBool(value)
	default:
		return ""
	}
}
