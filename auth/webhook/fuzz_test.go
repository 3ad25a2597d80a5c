package webhook_test

import (
	"encoding/json"
	"testing"
	"unicode/utf8"

	"sluice/auth"
	"sluice/auth/webhook"
)

// FuzzAnswer: whatever the service answers, an identity has a subject that is in the
// answer and claims that name it, and only the one object allows.
func FuzzAnswer(f *testing.F) {
	for _, seed := range []string{
		`{"allow":true}`, `{"allow":false}`, `{"subject":"u","claims":{"sub":"u","a":[{"b":1}]},"expires_at":1795245600000}`,
		`{"subject":"u","subject":"v"}`, `{"subject":"\ud83d\ude00"}`, `{"allow":true}{}`, `[[[[`, `{"a":{"a":1,"a":2}}`, `{"allow":tru`, "\xef\xbb\xbf{}",
	} {
		f.Add(seed)
	}
	p := principal(f, "p", `{"sub":"p"}`)
	f.Fuzz(func(t *testing.T, text string) {
		h := hook(t, &service{answer: says(200, text)})
		if id, err := h.Verify(t.Context(), auth.Bearer("t")); err == nil {
			var answer struct{ Subject string }
			var claims struct{ Sub, Iss string }
			if json.Unmarshal([]byte(text), &answer) != nil || answer.Subject != id.Subject || !utf8.ValidString(id.Subject) {
				t.Errorf("%q gave the subject %q", text, id.Subject)
			}
			if json.Unmarshal(id.Claims, &claims) != nil || claims.Sub != id.Subject || claims.Iss != webhook.Issuer {
				t.Errorf("%q gave the claims %s", text, id.Claims)
			}
		}
		if h.Approve(t.Context(), webhook.Question{Principal: p, Action: auth.Publish, Stream: "s"}) == nil {
			var answer map[string]any
			if json.Unmarshal([]byte(text), &answer) != nil || len(answer) != 1 || answer["allow"] != true {
				t.Errorf("%q allows", text)
			}
		}
	})
}
