package envelope

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tink-crypto/tink-go/v2/aead"
	tinkpb "github.com/tink-crypto/tink-go/v2/proto/tink_go_proto"
	"github.com/tink-crypto/tink-go/v2/tink"
)

// Format is how a ciphertext is made with a keyset.
type Format string

const (
	// FormatEnvelope is by a key of its own, which is with the ciphertext, encrypted by the
	// keyset. It is the format of Tink's KMS envelope AEAD: the length of the encrypted key
	// in four bytes, the encrypted key, the ciphertext.
	FormatEnvelope Format = "envelope"
	// FormatAEAD is by the keyset itself.
	FormatAEAD Format = "aead"
)

// dataKeys are the templates of the keys of envelopes, by their names.
var dataKeys = map[string]*tinkpb.KeyTemplate{
	"AES128_GCM":             aead.AES128GCMKeyTemplate(),
	"AES256_GCM":             aead.AES256GCMKeyTemplate(),
	"AES128_GCM_SIV":         aead.AES128GCMSIVKeyTemplate(),
	"AES256_GCM_SIV":         aead.AES256GCMSIVKeyTemplate(),
	"AES128_CTR_HMAC_SHA256": aead.AES128CTRHMACSHA256KeyTemplate(),
	"AES256_CTR_HMAC_SHA256": aead.AES256CTRHMACSHA256KeyTemplate(),
	"CHACHA20_POLY1305":      aead.ChaCha20Poly1305KeyTemplate(),
	"XCHACHA20_POLY1305":     aead.XChaCha20Poly1305KeyTemplate(),
}

// DataKeys returns the names of the kinds of keys that an envelope can have.
func DataKeys() []string { return slices.Sorted(maps.Keys(dataKeys)) }

// Cipher encrypts and decrypts in a format. It is immutable and safe for concurrent use.
type Cipher struct {
	keyset  *Keyset
	format  Format
	dataKey string
}

// NewCipher returns a cipher with a keyset, which can be opened later. Of an envelope,
// dataKey is the kind of its key.
func NewCipher(k *Keyset, format Format, dataKey string) (Cipher, error) {
	switch {
	case format != FormatEnvelope && format != FormatAEAD:
		return Cipher{}, fmt.Errorf("%q is neither %s nor %s", string(format), FormatEnvelope, FormatAEAD)
	case dataKeys[dataKey] == nil:
		return Cipher{}, fmt.Errorf("%q is none of %s", dataKey, strings.Join(DataKeys(), ", "))
	}
	return Cipher{keyset: k, format: format, dataKey: dataKey}, nil
}

// errClosed means that the keyset has not been opened.
var errClosed = errors.New("the keyset is not open")

// primitive returns what encrypts and decrypts.
func (c Cipher) primitive() (tink.AEAD, error) {
	k := c.keyset.keys.Load()
	switch {
	case k == nil:
		return nil, errClosed
	case c.format == FormatAEAD:
		return k.aead, nil
	}
	return aead.NewKMSEnvelopeAEAD2(dataKeys[c.dataKey], k.aead), nil
}

// Decrypt returns the plaintext of a ciphertext, which is never nil.
func (c Cipher) Decrypt(ciphertext, associatedData []byte) ([]byte, error) {
	by, err := c.primitive()
	if err != nil {
		return nil, err
	}
	plaintext, err := by.Decrypt(ciphertext, associatedData)
	if err != nil {
		return nil, fmt.Errorf("decrypt: %w", err)
	}
	if plaintext == nil {
		plaintext = []byte{}
	}
	return plaintext, nil
}

// Encrypt returns a ciphertext.
func (c Cipher) Encrypt(plaintext, associatedData []byte) ([]byte, error) {
	by, err := c.primitive()
	if err != nil {
		return nil, err
	}
	ciphertext, err := by.Encrypt(plaintext, associatedData)
	if err != nil {
		return nil, fmt.Errorf("encrypt: %w", err)
	}
	return ciphertext, nil
}

// equal reports whether two ciphers decrypt alike.
func (c Cipher) equal(other Cipher) bool {
	return c.keyset.Equal(other.keyset) && c.format == other.format && c.dataKey == other.dataKey
}
