package apikeys

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"time"

	"go.yaml.in/yaml/v3"

	"sluice/auth"
)

const (
	// maxKeys bounds the keys of a file.
	maxKeys = 50_000
	// maxClaims bounds the claims of a key, as JSON, in bytes.
	maxClaims = 4 << 10
)

// Entry describes a key. It is an element of the list keys in a file, or, as JSON, an
// entry of a Store.
type Entry struct {
	// ID finds the entry, and is the Identity's TokenID.
	ID string `yaml:"id" json:"id"`
	// Subject is the principal: several keys can have the same one.
	Subject string `yaml:"subject" json:"subject"`
	// Claims are the attributes that grants are matched against. `iss` and `sub` are
	// added to them.
	Claims map[string]any `yaml:"claims,omitempty" json:"claims,omitempty"`
	// Expires is when the key ends, zero for never.
	Expires time.Time `yaml:"expires,omitempty" json:"expires,omitzero"`
	// Hash is the hash of the secret.
	Hash string `yaml:"hash" json:"hash"`
}

// reserved are the claims that an entry cannot set: they are other fields of it, or have
// a meaning that keys do not have.
var reserved = []string{"aud", "cnf", "exp", "iat", "iss", "jti", "nbf", "sid", "sub"}

// entry is an Entry that has been validated. It is never changed.
type entry struct {
	hash     hash
	identity *auth.Identity
}

// same reports whether an entry is as another one.
func (e *entry) same(as *entry) bool {
	return e.hash.text == as.hash.text && e.now(as.identity) == as.identity
}

// now returns what an identity of the entry's key is now: the same pointer if nothing has
// changed, nil if the entry is for somebody else. An entry that is nil is not valid.
func (e *entry) now(id *auth.Identity) *auth.Identity {
	switch {
	case e == nil || e.identity.Subject != id.Subject:
		return nil
	case bytes.Equal(e.identity.Claims, id.Claims) && e.identity.ExpiresAt.Equal(id.ExpiresAt):
		return id
	default:
		return e.identity
	}
}

// check validates an Entry. Its errors do not contain the hash.
func (e *Entry) check(issuer string) (*entry, error) {
	switch {
	case !validID(e.ID):
		return nil, fmt.Errorf("id is missing, or not up to %d letters, digits and hyphens", maxID)
	case !auth.ValidSubject(e.Subject):
		return nil, errors.New("subject is missing, too long or has control characters")
	}
	claims := map[string]any{"iss": issuer, "sub": e.Subject}
	for _, name := range slices.Sorted(maps.Keys(e.Claims)) {
		if slices.Contains(reserved, name) {
			return nil, fmt.Errorf("claims cannot contain %s", name)
		}
		claims[name] = e.Claims[name]
	}
	text, err := json.Marshal(claims)
	switch {
	case err != nil:
		return nil, errors.New("claims are not what JSON can contain")
	case len(text) > maxClaims:
		return nil, fmt.Errorf("claims have more than %d bytes", maxClaims)
	}
	hash, err := parseHash(e.Hash)
	if err != nil {
		return nil, err
	}
	return &entry{hash: hash, identity: &auth.Identity{
		Issuer: issuer, Subject: e.Subject, Claims: text, ExpiresAt: e.Expires, TokenID: e.ID,
	}}, nil
}

// parseFile parses a file: the list of entries, or a mapping with the list keys.
func parseFile(content []byte, issuer string) (map[string]*entry, error) {
	var (
		root     yaml.Node
		document struct {
			Keys []Entry `yaml:"keys"`
		}
	)
	if err := decodeYAML(content, &root); err != nil {
		return nil, err
	}
	var to any = &document
	if len(root.Content) == 1 && root.Content[0].Kind == yaml.SequenceNode {
		to = &document.Keys
	}
	if err := decodeYAML(content, to); err != nil {
		return nil, err
	}
	if document.Keys == nil {
		// The file may have been emptied by mistake, which would end the sessions of all keys.
		return nil, errors.New("the file has no list of keys: for no keys write keys: []")
	}
	if len(document.Keys) > maxKeys {
		return nil, fmt.Errorf("the file has more than %d keys", maxKeys)
	}
	entries := make(map[string]*entry, len(document.Keys))
	for i := range document.Keys {
		one := &document.Keys[i]
		made, err := one.check(issuer)
		if err != nil {
			return nil, fmt.Errorf("key %d: %w", i+1, err)
		}
		if entries[one.ID] != nil {
			return nil, fmt.Errorf("key %d: the id %s occurs twice", i+1, one.ID)
		}
		entries[one.ID] = made
	}
	return entries, nil
}

// parseStored parses an entry of a Store, found under an ID.
func parseStored(content []byte, id, issuer string) (*entry, error) {
	var one Entry
	decoder := json.NewDecoder(bytes.NewReader(content))
	decoder.DisallowUnknownFields()
	decoder.UseNumber()
	if err := decoder.Decode(&one); err != nil {
		return nil, errors.New("not a JSON object with the fields id, subject, claims, expires and hash") // the decoder's own error can show a value
	}
	if one.ID != id {
		return nil, errors.New("the id is another one than that of the entry's key")
	}
	return one.check(issuer)
}

// line finds the line in an error of the YAML library, which can also show values.
var line = regexp.MustCompile(`line \d+`)

// decodeYAML decodes one YAML document without unknown fields. An empty one is the zero
// value.
func decodeYAML(content []byte, to any) error {
	decoder := yaml.NewDecoder(bytes.NewReader(content))
	decoder.KnownFields(true)
	err := decoder.Decode(to)
	var mistyped *yaml.TypeError
	switch {
	case errors.Is(err, io.EOF):
		return nil
	case errors.As(err, &mistyped):
		return fmt.Errorf("%s: unknown field, or a value of the wrong type: the file is a list of keys, or has the list keys, and a key has id, subject, claims, expires (a time, RFC 3339) and hash", line.FindString(err.Error()))
	case err != nil:
		return fmt.Errorf("%s: not YAML, or a time that is not as in RFC 3339", cmp.Or(line.FindString(err.Error()), "the file"))
	}
	if decoder.Decode(new(yaml.Node)) != io.EOF { //nolint:errorlint // the decoder returns it as it is
		return errors.New("more than one YAML document")
	}
	return nil
}
