package dpop

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"

	"sluice/auth"
)

// private are the members of a JSON Web Key that are not public (RFC 7518 section 6).
var private = []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k"}

// keyIn reads the key in the header of a proof.
func keyIn(header map[string]any) (auth.PublicKey, error) {
	members, ok := header["jwk"].(map[string]any)
	if !ok {
		return auth.PublicKey{}, refused("it has no key")
	}
	for _, name := range private {
		if _, ok := members[name]; ok {
			return auth.PublicKey{}, refused("its key has a private part")
		}
	}
	text, err := json.Marshal(members)
	if err != nil {
		return auth.PublicKey{}, refused("its key cannot be read")
	}
	key, err := auth.ParsePublicKey(text)
	if err != nil {
		return auth.PublicKey{}, refused("its key cannot be used")
	}
	return key, nil
}

// thumbprint returns the SHA-256 thumbprint of a key (RFC 7638, for Ed25519 RFC 8037
// appendix A.3) in base64url. It is made from the key itself, so that it does not depend
// on how the key is written.
func thumbprint(key auth.PublicKey) string {
	b64 := base64.RawURLEncoding.EncodeToString
	var text string // the required members, by name, without spaces
	switch public := key.Key.(type) {
	case *ecdsa.PublicKey:
		point, err := public.Bytes() // 4, x, y
		if err != nil {
			return ""
		}
		half := len(point) / 2
		text = fmt.Sprintf(`{"crv":"P-256","kty":"EC","x":"%s","y":"%s"}`, b64(point[1:1+half]), b64(point[1+half:]))
	case ed25519.PublicKey:
		text = fmt.Sprintf(`{"crv":"Ed25519","kty":"OKP","x":"%s"}`, b64(public))
	case *rsa.PublicKey:
		text = fmt.Sprintf(`{"e":"%s","kty":"RSA","n":"%s"}`, b64(big.NewInt(int64(public.E)).Bytes()), b64(public.N.Bytes()))
	default:
		return ""
	}
	sum := sha256.Sum256([]byte(text))
	return b64(sum[:])
}
