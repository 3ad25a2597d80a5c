package apikeys

import (
	"encoding/json"
	"fmt"
	"time"

	"go.yaml.in/yaml/v3"

	"sluice/auth"
)

// Create makes a key with 256 random bits, and the entry for it. Nothing but the
// returned key contains the secret.
func Create(subject string, claims map[string]any, expires time.Time) (key auth.Secret, entry Entry, err error) {
	secret := random(secretBytes)
	entry = Entry{ID: random(idBytes), Subject: subject, Claims: claims, Expires: expires, Hash: hashOf(secret)}
	if !expires.IsZero() && !expires.After(time.Now()) {
		return auth.Secret{}, Entry{}, fmt.Errorf("create key: the expiry %s has passed", expires.Format(time.RFC3339))
	}
	if _, err := entry.check("check"); err != nil {
		return auth.Secret{}, Entry{}, fmt.Errorf("create key: %w", err)
	}
	return auth.NewSecret(auth.APIKeyPrefix + entry.ID + "_" + secret), entry, nil
}

// YAML returns the entry as an element of the list keys.
func (e Entry) YAML() ([]byte, error) { return yaml.Marshal([]Entry{e}) }

// JSON returns the entry for a Store.
func (e Entry) JSON() ([]byte, error) { return json.Marshal(e) }
