package auth_test

import (
	"strings"
	"testing"

	"sluice/auth"
)

// FuzzDetails: whatever a token has as its details, they give rights on streams only that its issuer
// may give rights on, each named as such.
func FuzzDetails(f *testing.F) {
	for _, text := range []string{
		`{}`, `{"authorization_details":[]}`, `{"authorization_details":{"type":"sluice"}}`,
		`{"authorization_details":[{"type":"sluice","actions":["subscribe"],"streams":["open.a"],"filter":"key == claims.sub","replay":"24h"}]}`,
		`{"authorization_details":[{"type":"sluice","actions":["publish"],"streams":["open.*","named","other"]}]}`,
		`{"authorization_details":[{"type":"other","x":1},{"type":"sluice","streams":["open."]}]}`,
	} {
		f.Add([]byte(text))
	}
	details, err := auth.NewDetails([]string{"open.*"}, []string{"open.named"})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, claims []byte) {
		grants, err := details.Grants(claims)
		if err != nil && (grants != nil || strings.ContainsAny(err.Error(), "\r\n")) {
			t.Errorf("%d grants and the error %q", len(grants), err)
		}
		for _, g := range grants {
			for _, stream := range append(append([]string(nil), g.Subscribe...), g.Publish...) {
				if !strings.HasPrefix(stream, "open.") || strings.Contains(stream, "*") || stream == "open.named" {
					t.Errorf("%s: rights on %q", claims, stream)
				}
			}
		}
	})
}
