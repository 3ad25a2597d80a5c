package config

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/go-playground/validator/v10"

	"sluice/auth"
	"sluice/cmd/sluice/certificates"
	"sluice/hub/envelope"
	"sluice/hub/envelope/transit"
	"sluice/hub/redact"
)

// Encryption configures the keys of what is encrypted in records.
type Encryption struct {
	Keysets map[string]Keyset `koanf:"keysets" validate:"dive,keys,keyset_name,endkeys" doc:"keys by name, of what producers encrypt in the records of streams with decrypt"`
}

// Keyset is a keyset of Tink.
type Keyset struct {
	File Path `koanf:"file" validate:"required,readable_file" doc:"file that contains a keyset of Tink in JSON (made by sluice keyset create), at most 64 KiB; with kms, one that it has encrypted. Read again on SIGHUP"`
	KMS  *KMS `koanf:"kms" doc:"what has encrypted the keyset. It is asked to decrypt it at start, and on SIGHUP if it has changed, and not while records are delivered; if it cannot, the server does not start, or keeps the configuration that it has"`

	// Content is the content of File.
	Content auth.Secret `koanf:"-" validate:"-"`
}

// KMS is a service that encrypts keysets.
type KMS struct {
	Vault *Vault `koanf:"vault" validate:"required" doc:"the transit secrets engine of HashiCorp Vault"`
}

// Vault configures the transit secrets engine of HashiCorp Vault.
type Vault struct {
	URL       string        `koanf:"url" validate:"required,service_url" doc:"URL of Vault, https, or http on loopback"`
	Mount     string        `koanf:"mount" default:"transit" validate:"vault_mount" doc:"path at which the transit engine is mounted"`
	Key       string        `koanf:"key" validate:"required,vault_key" doc:"name of the key in the transit engine"`
	TokenFile Path          `koanf:"token_file" validate:"required,readable_file" doc:"file that contains a token with the right to update MOUNT/decrypt/KEY; one trailing line break is ignored. Read again on SIGHUP"`
	CAFile    Path          `koanf:"ca_file" validate:"omitempty,readable_file" doc:"file that contains the certificate authorities of Vault (PEM); if left out, the system's"`
	Timeout   time.Duration `koanf:"timeout" default:"5s" validate:"between=100ms..1m" doc:"timeout of one request; requests are not repeated"`

	// Token is the content of TokenFile.
	Token auth.Secret `koanf:"-" validate:"-"`
}

// Decrypt configures what is encrypted in the records of a stream.
type Decrypt struct {
	Keyset  string   `koanf:"keyset" validate:"required" doc:"name of a keyset in encryption/keysets"`
	Paths   []string `koanf:"paths" validate:"required,min=1,unique" doc:"paths of what producers have encrypted: JSON Pointers into the value, as in redact of grants (/card/number, /items/*/price), headers.NAME, or data for whole values; at most 64, of which none is a part of another. Clients are shown what their grants name in decrypt, and nothing else of it"`
	Format  string   `koanf:"format" default:"envelope" validate:"oneof=envelope aead" doc:"how ciphertexts are made: envelope, by the KMS envelope AEAD of Tink with the keyset as its key-encryption key; aead, by the AEAD of the keyset itself"`
	DataKey string   `koanf:"data_key" default:"AES256_GCM" validate:"oneof=AES128_GCM AES256_GCM AES128_GCM_SIV AES256_GCM_SIV AES128_CTR_HMAC_SHA256 AES256_CTR_HMAC_SHA256 CHACHA20_POLY1305 XCHACHA20_POLY1305" doc:"key template of Tink with which producers make the keys of envelopes"`
}

// Open returns the keyset in the file. One that is encrypted is not open yet.
func (k Keyset) Open() (*envelope.Keyset, error) {
	kms, err := k.KMS.client()
	if err != nil {
		return nil, err
	}
	return envelope.NewKeyset([]byte(k.Content.Reveal()), kms)
}

func (k *KMS) client() (envelope.KMS, error) {
	if k == nil {
		return nil, nil
	}
	return k.Vault.Client()
}

// Complete checks the fields, sets Timeout and Mount if they are missing, and reads Token,
// of a Vault that is not part of a configuration.
func (v *Vault) Complete() error {
	n := find("encryption/keysets/name/kms/vault")
	v.Mount = cmp.Or(v.Mount, n.field("mount").value)
	if v.Timeout == 0 {
		var err error
		if v.Timeout, err = ParseDuration(n.field("timeout").value); err != nil {
			return err
		}
	}
	var broken validator.ValidationErrors
	if errors.As(validate().Struct(v), &broken) {
		return fmt.Errorf("%s: %s", broken[0].Field(), explain(broken[0], "encryption/keysets/name/kms/vault/"+broken[0].Field()))
	}
	token, err := auth.ReadSecret(string(v.TokenFile))
	v.Token = token
	return err
}

// Client returns a client of the transit engine, which connects to nothing yet.
func (v *Vault) Client() (*transit.Client, error) {
	authorities, err := loadAuthorities(v.CAFile)
	if err != nil {
		return nil, err
	}
	return transit.New(transit.Config{
		URL: v.URL, Mount: v.Mount, Key: v.Key, Token: v.Token.Reveal, Timeout: v.Timeout,
		TLS: &tls.Config{RootCAs: authorities, MinVersion: tls.VersionTLS12},
	})
}

// EncryptedPaths returns the paths of what is encrypted in each stream.
func (c *Config) EncryptedPaths() map[string][]string {
	paths := make(map[string][]string)
	for name, stream := range c.Streams {
		if stream.Decrypt != nil {
			paths[name] = stream.Decrypt.Paths
		}
	}
	return paths
}

// checkEncryption checks what is encrypted in streams, and what grants show of it.
func checkEncryption(c *Config, f *faults) {
	keysets := slices.Sorted(maps.Keys(c.Encryption.Keysets))
	for _, name := range slices.Sorted(maps.Keys(c.Streams)) {
		d, path := c.Streams[name].Decrypt, join("streams", name)+"/decrypt"
		if d == nil {
			continue
		}
		if d.Keyset != "" && !slices.Contains(keysets, d.Keyset) {
			f.addOnce(path+"/keyset", "%q is not in encryption/keysets%s", d.Keyset, suggest(d.Keyset, keysets))
		}
		places, err := redact.NewPlaces(d.Paths)
		switch content := c.Streams[name].Content; {
		case err != nil:
			f.addOnce(path+"/paths", "%s", err)
		case places.HasFields() && (content == "text" || content == "bytes"):
			f.addOnce(path+"/paths", "fields can be found in JSON only, and content is %s: use data for whole values", content)
		case name == c.Audit.Stream:
			f.addOnce(path, "the server itself writes this stream, and does not encrypt it: remove decrypt")
		}
	}
	for i, g := range c.Grants {
		if len(g.Subscribe) > 0 {
			checkDecrypts(c, fmt.Sprintf("grants/%d/decrypt", i), g, f)
		}
	}
}

// checkDecrypts reports paths of a grant that no stream has that it is for: most are
// misspelt.
func checkDecrypts(c *Config, path string, g Grant, f *faults) {
	var there []string
	for name, stream := range c.Streams {
		if stream.Decrypt != nil && matchesOne(g.Subscribe, name) {
			there = append(there, stream.Decrypt.Paths...)
		}
	}
	slices.Sort(there)
	there = slices.Compact(there)
	for i, text := range g.Decrypt {
		switch at := fmt.Sprintf("%s/%d", path, i); {
		case slices.Contains(there, text):
		case len(there) == 0:
			f.addOnce(at, "no stream that subscribe matches has decrypt: nothing in them is encrypted")
		default:
			f.addOnce(at, "%q is not in decrypt/paths of a stream that subscribe matches, which have %s%s", text, strings.Join(there, ", "), suggest(text, there))
		}
	}
}

func matchesOne(patterns []string, stream string) bool {
	return slices.ContainsFunc(patterns, func(text string) bool {
		pattern, err := auth.NewPattern(text)
		return err == nil && pattern.Match(stream)
	})
}

// readEncryption reads keysets and tokens, and checks that they are some.
func readEncryption(c *Config, f *faults) {
	for _, name := range slices.Sorted(maps.Keys(c.Encryption.Keysets)) {
		k, path := c.Encryption.Keysets[name], join("encryption/keysets", name)
		readSecret(k.File, &k.Content, path+"/file", f)
		if k.KMS != nil && k.KMS.Vault != nil {
			readSecret(k.KMS.Vault.TokenFile, &k.KMS.Vault.Token, path+"/kms/vault/token_file", f)
		}
		c.Encryption.Keysets[name] = k
		if f.below(path) {
			continue
		}
		switch _, err := k.Open(); {
		case errors.Is(err, certificates.ErrNoCertificates):
			f.add(path+"/kms/vault/ca_file", "%s", err)
		case err != nil:
			f.add(path+"/file", "%s", err)
		}
	}
}
