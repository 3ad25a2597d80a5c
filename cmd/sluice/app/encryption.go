package app

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"sluice/cmd/sluice/config"
	"sluice/hub/envelope"
)

// encryption is the keysets of a configuration, and what decrypts with them.
type encryption struct {
	keysets    map[string]*envelope.Keyset
	decrypters map[string]*envelope.Decrypter // by stream
}

// newEncryption makes what a configuration needs, without asking a KMS. Streams of which
// nothing has changed keep the decrypter that they had, as another one would make another
// stream of them.
func newEncryption(c *config.Config, was *encryption) (*encryption, error) {
	e := &encryption{keysets: make(map[string]*envelope.Keyset), decrypters: make(map[string]*envelope.Decrypter)}
	for name, k := range c.Encryption.Keysets {
		var err error
		if e.keysets[name], err = k.Open(); err != nil {
			return nil, fmt.Errorf("encryption/keysets/%s: %w", name, err)
		}
		if was != nil && was.keysets[name] != nil && was.keysets[name].Equal(e.keysets[name]) {
			e.keysets[name] = was.keysets[name] // which is open: its KMS need not be asked again
		}
	}
	for name, stream := range c.Streams {
		d := stream.Decrypt
		if d == nil {
			continue
		}
		cipher, err := envelope.NewCipher(e.keysets[d.Keyset], envelope.Format(d.Format), d.DataKey)
		if err != nil {
			return nil, fmt.Errorf("streams/%s/decrypt: %w", name, err)
		}
		made, err := envelope.New(cipher, d.Paths)
		if err != nil {
			return nil, fmt.Errorf("streams/%s/decrypt: %w", name, err)
		}
		if was != nil && was.decrypters[name] != nil && was.decrypters[name].Equal(made) {
			made = was.decrypters[name]
		}
		e.decrypters[name] = made
	}
	return e, nil
}

// open has keysets decrypted that a KMS has encrypted. Each takes no longer than the
// timeout of its KMS.
func (e *encryption) open(ctx context.Context) error {
	for _, name := range slices.Sorted(maps.Keys(e.keysets)) {
		if err := e.keysets[name].Open(ctx); err != nil {
			return fmt.Errorf("encryption/keysets/%s: %w", name, err)
		}
	}
	return nil
}
