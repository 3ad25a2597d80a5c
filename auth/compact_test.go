package auth_test

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"sluice/auth"
)

// A token has exactly one spelling: a character inserted anywhere makes another
// text, which must not be accepted.
func TestBearerTakesNoOtherCharacters(t *testing.T) {
	t.Parallel()
	a := newAuth(t)
	good := fleetToken(nil)
	parts := strings.Split(good, ".")
	places := map[string]int{
		"in front": 0, "in the header": 3, "behind the header": len(parts[0]), "in the claims": len(parts[0]) + 5,
		"behind the claims": len(parts[0]) + 1 + len(parts[1]), "in the signature": len(good) - 3, "at the end": len(good),
	}
	for _, put := range []string{"\n", "\r", "\r\n", "\n\n\n", " ", "\t", "=", "==", "+", "/", "~", "%", ",", "\x00", "\x0b", "\x7f", "\u00a0", "\u2028", "\ufeff", "."} {
		for where, i := range places {
			if _, err := a.Authenticate(t.Context(), auth.Bearer(good[:i]+put+good[i:])); !errors.Is(err, auth.ErrUnauthenticated) {
				t.Errorf("%q %s: got %v", put, where, err)
			}
		}
	}
	for _, each := range []func(string) string{
		func(part string) string { return part + strings.Repeat("=", (4-len(part)%4)%4) },
		func(part string) string { return strings.NewReplacer("-", "+", "_", "/").Replace(part) },
	} {
		written := each(parts[0]) + "." + each(parts[1]) + "." + each(parts[2])
		if _, err := a.Authenticate(t.Context(), auth.Bearer(written)); written != good && !errors.Is(err, auth.ErrUnauthenticated) {
			t.Errorf("%s: got %v", written, err)
		}
	}
	if _, err := a.Authenticate(t.Context(), auth.Bearer(good)); err != nil {
		t.Errorf("the token itself: %v", err)
	}
}

// Invalid text must not become equal to other text: two subjects would be one
// principal.
func TestBearerTakesTextInUTF8Only(t *testing.T) {
	t.Parallel()
	a := newAuth(t)
	token := func(header, claims string) string {
		b64 := base64.RawURLEncoding.EncodeToString
		text := b64([]byte(header)) + "." + b64([]byte(claims))
		return text + "." + b64(must(jwt.SigningMethodHS256.Sign(text, []byte(fleetSecret.Reveal()))))
	}
	const plain = `{"alg":"HS256"}`
	with := func(more string) string {
		return `{"iss":"fleet","aud":"sluice","exp":9999999999,` + more + `}`
	}
	for name, bad := range map[string]string{
		"a byte that is none of UTF-8":     token(plain, with(`"sub":"a`+"\xff"+`"`)),
		"a character cut off":              token(plain, with(`"sub":"a`+"\xe2\x82"+`"`)),
		"a surrogate in UTF-8":             token(plain, with(`"sub":"a`+"\xed\xa0\x80"+`"`)),
		"an overlong form":                 token(plain, with(`"sub":"a`+"\xc0\xaf"+`"`)),
		"in another claim":                 token(plain, with(`"sub":"a","scope":"`+"\xff"+`"`)),
		"in a claim deep down":             token(plain, with(`"sub":"a","x":{"y":["`+"\xff"+`"]}`)),
		"in the name of a claim":           token(plain, with(`"sub":"a","`+"\xff"+`":1`)),
		"half of a pair":                   token(plain, with(`"sub":"a\ud83d"`)),
		"the other half":                   token(plain, with(`"sub":"a\ude00"`)),
		"two halves in the wrong order":    token(plain, with(`"sub":"\ude00\ud83d"`)),
		"a half and another escape":        token(plain, with(`"sub":"\ud83d\n"`)),
		"a half behind a backslash":        token(plain, with(`"sub":"\\\ud83d"`)),
		"a half in the name of a claim":    token(plain, with(`"sub":"a","\ud83d":1`)),
		"a half in capitals":               token(plain, with(`"sub":"\uD83D"`)),
		"two first halves":                 token(plain, with(`"sub":"\ud83d\ud83d\ude00"`)),
		"a byte in the header":             token(`{"alg":"HS256","x":"`+"\xff"+`"}`, with(`"sub":"a"`)),
		"half of a pair in the key's name": token(`{"alg":"HS256","kid":"\ud83d"}`, with(`"sub":"a"`)),
	} {
		for range 2 {
			if p, err := a.Authenticate(t.Context(), auth.Bearer(bad)); !errors.Is(err, auth.ErrUnauthenticated) {
				t.Errorf("%s: got %v, %v", name, p, err)
			}
		}
	}
	for subject, want := range map[string]string{
		`\ud83d\ude00`: "😀", `é`: "é", `\u00e9`: "é", `\\ud83d`: `\ud83d`, "\uFFFD": "\uFFFD", `\uFFFD`: "\uFFFD", `a\\`: `a\`, `\/u`: "/u",
	} {
		p, err := a.Authenticate(t.Context(), auth.Bearer(token(plain, with(`"sub":"`+subject+`"`))))
		if err != nil || p.ID() != want {
			t.Errorf("%s: got %v, %v", subject, p, err)
		}
	}
}
