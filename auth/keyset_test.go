package auth

import "testing"

// A key set is untrusted input, and must never crash the process.
func FuzzKeySet(f *testing.F) {
	f.Add([]byte(`{"keys":[]}`))
	f.Add([]byte(`{"keys":[null,7,{}]}`))
	f.Add([]byte(`{"keys":[{"kty":"EC","crv":"P-256","x":"AAAA","y":"AAAA"}]}`))
	f.Add([]byte(`{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB","d":"AQ","p":"AQ","q":"AQ"}]}`))
	f.Add([]byte(`{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		set, err := parseKeySet(text)
		if err != nil {
			return
		}
		for _, k := range set.keys {
			if algorithm, why := algorithmOf(k.public); why != "" || algorithm != k.algorithm {
				t.Fatalf("a key for %s was taken that is for %s", k.algorithm, algorithm)
			}
			if keys, known := set.find(k.id, k.algorithm); !known || len(keys.Keys) == 0 {
				t.Fatalf("the key %q is not found", k.id)
			}
		}
	})
}
