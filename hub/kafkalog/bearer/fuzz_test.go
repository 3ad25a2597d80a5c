package bearer

import (
	"strings"
	"testing"
	"time"
)

// FuzzAnswer: whatever a token endpoint answers, a token that is taken fits into a
// message to a broker and ends within bounds, and an error repeats nothing.
func FuzzAnswer(f *testing.F) {
	for _, body := range []string{
		`{"access_token":"a","token_type":"bearer","expires_in":60}`,
		`{"access_token":"a.eyJleHAiOjF9.c","expires_in":"1e3"}`,
		`{"access_token":"a\u0001","expires_in":-0}`, `[]`, `{"access_token":"a","expires_in":1e999}`,
		`{"error":"invalid_client"}`,
	} {
		f.Add([]byte(body), 400)
	}
	f.Fuzz(func(t *testing.T, body []byte, status int) {
		now := time.Now()
		token, err := readAnswer(body, now)
		if err == nil {
			if text := token.Reveal(); text == "" || strings.ContainsAny(text, "\x00\x01 ,\r\n\"") {
				t.Errorf("took the token %q", text)
			}
			if !token.Expires.IsZero() && token.Expires.After(time.Unix(maxSeconds, 0)) {
				t.Errorf("it ends at %v", token.Expires)
			}
		} else if len(err.Error()) > 200 {
			t.Errorf("the error is %v", err)
		}
		if err := readRefusal(status, body); len(err.Error()) > 200 {
			t.Errorf("the error is %v", err)
		}
	})
}
