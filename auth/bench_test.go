package auth_test

import (
	"fmt"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"sluice/auth"
)

// BenchmarkBearer verifies tokens that were not seen before, and one token
// repeatedly.
func BenchmarkBearer(b *testing.B) {
	a := newAuth(b, auth.Grant{When: map[string]string{"scope": "live"}, Subscribe: []string{"market.*"}})
	for _, c := range []struct {
		name    string
		method  jwt.SigningMethod
		key     any
		headers map[string]any
		issuer  string
	}{
		{auth.HS256, jwt.SigningMethodHS256, []byte(fleetSecret.Reveal()), nil, fleet},
		{auth.ES256, jwt.SigningMethodES256, ecKey(), map[string]any{"kid": "ec"}, provider},
		{auth.RS256, jwt.SigningMethodRS256, rsaKey(), map[string]any{"kid": "rsa"}, provider},
	} {
		tokens := make([]string, 5000)
		b.Run(c.name+"/new", func(b *testing.B) {
			for i := range min(b.N, len(tokens)) {
				if tokens[i] == "" {
					tokens[i] = sign(c.method, c.key, c.headers, said(c.issuer, map[string]any{"sub": fmt.Sprint(i)}))
				}
			}
			b.ReportAllocs()
			b.ResetTimer()
			for i := range b.N {
				if i%len(tokens) == 0 { // a verifier that has none of them cached
					b.StopTimer()
					a = newAuth(b)
					b.StartTimer()
				}
				if _, err := a.Authenticate(b.Context(), auth.Bearer(tokens[i%len(tokens)])); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(c.name+"/again", func(b *testing.B) {
			token := sign(c.method, c.key, c.headers, said(c.issuer, nil))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := a.Authenticate(b.Context(), auth.Bearer(token)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkMay(b *testing.B) {
	a := newAuth(b, auth.Grant{When: map[string]string{"scope": "live"}, Subscribe: []string{"iot.telemetry", "market.*", "*.public"}})
	p := must(a.Authenticate(b.Context(), auth.Bearer(fleetToken(nil))))
	b.ReportAllocs()
	for b.Loop() {
		if !p.May(auth.Subscribe, "news.public") {
			b.Fatal("may not")
		}
	}
}
