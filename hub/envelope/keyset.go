package envelope

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/insecurecleartextkeyset"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/tink"
)

// MaxKeysetBytes is the maximum size of a keyset, in JSON.
const MaxKeysetBytes = 64 << 10

// KMS encrypts and decrypts keysets. It is safe for concurrent use.
type KMS = tink.AEADWithContext

// Keyset is the keys of an AEAD.
type Keyset struct {
	sum  [sha256.Size]byte
	text []byte
	kms  KMS // nil for a keyset in cleartext
	keys atomic.Pointer[keys]
}

// keys are the keys of a Keyset that is open.
type keys struct {
	handle *keyset.Handle
	aead   tink.AEAD
}

// Errors of keysets. They have no content of a keyset in them.
var (
	errNoKeyset    = errors.New("it is no keyset of Tink in JSON")
	errTooLarge    = fmt.Errorf("it is larger than %d bytes", MaxKeysetBytes)
	errEncrypted   = errors.New("the keyset is encrypted, and no KMS is configured that decrypts it")
	errUnencrypted = errors.New("the keyset is not encrypted, although a KMS is configured that encrypts it")
	errNoAEAD      = errors.New("the keyset has a key that is not for AEAD, or that is not in the keyset itself")
)

// NewKeyset returns a keyset of Tink in JSON. One in cleartext is open; with a KMS it is
// one that the KMS has encrypted, and is not open.
func NewKeyset(text []byte, kms KMS) (*Keyset, error) {
	if len(text) > MaxKeysetBytes {
		return nil, errTooLarge
	}
	k := &Keyset{sum: sha256.Sum256(text), text: bytes.Clone(text), kms: kms}
	var members map[string]json.RawMessage
	if json.Unmarshal(text, &members) != nil {
		return nil, errNoKeyset
	}
	_, encrypted := members["encryptedKeyset"]
	switch {
	case encrypted && kms == nil:
		return nil, errEncrypted
	case !encrypted && kms != nil:
		return nil, errUnencrypted
	case encrypted:
		// What Tink says about a text that it cannot read may quote the text.
		if sealed, err := keyset.NewJSONReader(bytes.NewReader(text)).ReadEncrypted(); err != nil || len(sealed.GetEncryptedKeyset()) == 0 {
			return nil, errNoKeyset
		}
		return k, nil
	}
	handle, err := insecurecleartextkeyset.Read(keyset.NewJSONReader(bytes.NewReader(text)))
	if err != nil {
		return nil, errNoKeyset
	}
	return k, k.open(handle)
}

// Open has the KMS decrypt the keyset, unless that is done. It must succeed before records
// are decrypted.
func (k *Keyset) Open(ctx context.Context) error {
	if k.keys.Load() != nil {
		return nil
	}
	asked := &asking{KMS: k.kms}
	handle, err := keyset.ReadWithContext(ctx, keyset.NewJSONReader(bytes.NewReader(k.text)), asked, nil)
	switch {
	case asked.err != nil:
		return fmt.Errorf("decrypt keyset: %w", asked.err)
	case err != nil:
		return fmt.Errorf("decrypt keyset: %w", errNoKeyset)
	}
	return k.open(handle)
}

// asking keeps the error of a KMS, which Tink replaces by its own.
type asking struct {
	KMS
	err error
}

// DecryptWithContext implements KMS.
func (a *asking) DecryptWithContext(ctx context.Context, ciphertext, associatedData []byte) (plaintext []byte, err error) {
	plaintext, a.err = a.KMS.DecryptWithContext(ctx, ciphertext, associatedData)
	return plaintext, a.err
}

func (k *Keyset) open(handle *keyset.Handle) error {
	primitive, err := aead.New(handle)
	if err != nil {
		return errNoAEAD
	}
	k.keys.Store(&keys{handle: handle, aead: primitive})
	return nil
}

// Equal reports whether two keysets have the same text, and so the same keys.
func (k *Keyset) Equal(other *Keyset) bool {
	return k.sum == other.sum && (k.kms == nil) == (other.kms == nil)
}

// Create returns the text of a new keyset with one key, for AES256-GCM, encrypted by a KMS
// unless that is nil.
func Create(ctx context.Context, kms KMS) ([]byte, error) {
	return rotated(ctx, keyset.NewManager(), kms)
}

// Rotate returns the text of the keyset, which is open, with another key, by which
// everything is encrypted from then on. The keys that it had still decrypt.
func (k *Keyset) Rotate(ctx context.Context) ([]byte, error) {
	return rotated(ctx, keyset.NewManagerFromHandle(k.keys.Load().handle), k.kms)
}

func rotated(ctx context.Context, m *keyset.Manager, kms KMS) ([]byte, error) {
	id, err := m.Add(aead.AES256GCMKeyTemplate())
	if err == nil {
		err = m.SetPrimary(id)
	}
	if err != nil {
		return nil, fmt.Errorf("add key: %w", err)
	}
	handle, err := m.Handle()
	if err != nil {
		return nil, fmt.Errorf("add key: %w", err)
	}
	var text bytes.Buffer
	writer := keyset.NewJSONWriter(&text)
	if kms == nil {
		err = insecurecleartextkeyset.Write(handle, writer)
	} else {
		err = handle.WriteWithContext(ctx, writer, kms, nil)
	}
	if err != nil {
		return nil, fmt.Errorf("write keyset: %w", err)
	}
	return append(text.Bytes(), '\n'), nil
}
