package envelope_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/insecurecleartextkeyset"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/mac"
	"github.com/tink-crypto/tink-go/v2/tink"

	"sluice/hub/envelope"
	"sluice/hub/record"
)

// fixedKeyset returns a keyset that is always the same.
func fixedKeyset() *keyset.Handle {
	const text = `{"primaryKeyId":233971663,"key":[{"keyData":{"typeUrl":"type.googleapis.com/google.crypto.tink.AesGcmKey","value":"GiDh+89P/YOWGV1f0Qc9EmVfpec6b6WwFdtOzjYK5H214A==","keyMaterialType":"SYMMETRIC"},"status":"ENABLED","keyId":233971663,"outputPrefixType":"TINK"}]}`
	return must(insecurecleartextkeyset.Read(keyset.NewJSONReader(strings.NewReader(text))))
}

// kms encrypts with a key in memory.
type kms struct {
	by    tink.AEAD
	err   error
	asked int
}

func newKMS() *kms {
	return &kms{by: must(aead.New(must(keyset.NewHandle(aead.AES256GCMKeyTemplate()))))}
}

func (k *kms) EncryptWithContext(_ context.Context, plaintext, associatedData []byte) ([]byte, error) {
	k.asked++
	if k.err != nil {
		return nil, k.err
	}
	return k.by.Encrypt(plaintext, associatedData)
}

func (k *kms) DecryptWithContext(_ context.Context, ciphertext, associatedData []byte) ([]byte, error) {
	k.asked++
	if k.err != nil {
		return nil, k.err
	}
	return k.by.Decrypt(ciphertext, associatedData)
}

var errAway = errors.New("the KMS is away")

// TestKeysets: which keysets are read, and what is said of others, without their content.
func TestKeysets(t *testing.T) {
	t.Parallel()
	good := string(textOf(fixedKeyset()))
	asked := newKMS()
	wrapped := string(must(envelope.Create(t.Context(), asked)))
	remote := must(keyset.NewHandle(aead.AES256GCMKeyTemplate()))
	withURI := strings.ReplaceAll(string(textOf(remote)), "AesGcmKey", "KmsAeadKey")
	for name, c := range map[string]struct {
		text  string
		kms   envelope.KMS
		fault string
	}{
		"good":              {good, nil, ""},
		"encrypted":         {wrapped, asked, ""},
		"encrypted, no KMS": {wrapped, nil, "no KMS is configured"},
		"cleartext, a KMS":  {good, asked, "not encrypted, although"},
		"empty":             {"", nil, "no keyset"},
		"a list":            {"[]", nil, "no keyset"},
		"no keys":           {"{}", nil, "no keyset"},
		"another JSON":      {`{"key":"GiDh+89P"}`, nil, "no keyset"},
		"a password":        {"hunter2 GiDh+89P", nil, "no keyset"},
		"no primary":        {strings.Replace(good, `"primaryKeyId":233971663`, `"primaryKeyId":1`, 1), nil, "no keyset"},
		"another kind":      {string(textOf(must(keyset.NewHandle(mac.HMACSHA256Tag128KeyTemplate())))), nil, "not for AEAD"},
		"a key elsewhere":   {withURI, nil, "not for AEAD"},
		"not encrypted":     {`{"encryptedKeyset":""}`, asked, "no keyset"},
		"bad base64":        {`{"encryptedKeyset":"GiDh+89P%"}`, asked, "no keyset"},
		"large":             {good + strings.Repeat(" ", envelope.MaxKeysetBytes), nil, "larger than"},
	} {
		_, err := envelope.NewKeyset([]byte(c.text), c.kms)
		if (err == nil) != (c.fault == "") || err != nil && !strings.Contains(err.Error(), c.fault) {
			t.Errorf("%s: %v, want %q", name, err, c.fault)
		}
		if err != nil && (strings.Contains(err.Error(), "GiDh") || strings.Contains(err.Error(), "hunter2")) {
			t.Errorf("%s: the error has content of the keyset: %v", name, err)
		}
	}
}

// TestKMSIsAskedOnce: an encrypted keyset decrypts nothing before it is open, and asks
// the KMS for nothing afterwards.
func TestKMSIsAskedOnce(t *testing.T) {
	t.Parallel()
	service := newKMS()
	text := must(envelope.Create(t.Context(), service))
	plain := must(keyset.Read(keyset.NewJSONReader(bytes.NewReader(text)), service.by))
	p := producerOf(plain, envelope.FormatEnvelope)
	sealed := record.Record{Value: p.seal("secret", "orders:data")}
	service.asked, service.err = 0, errAway

	k := must(envelope.NewKeyset(text, service))
	d := must(envelope.New(must(envelope.NewCipher(k, envelope.FormatEnvelope, "AES256_GCM")), []string{"data"}))
	if got, _ := d.Decrypt(nil, "orders", &sealed); got.Value != nil || service.asked != 0 {
		t.Errorf("decrypted %q before the keyset was open, and asked %d times", got.Value, service.asked)
	}
	if err := k.Open(t.Context()); !errors.Is(err, errAway) {
		t.Errorf("open: %v", err)
	}
	service.err = nil
	for range 2 {
		if err := k.Open(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	service.err = errAway
	for range 10 {
		if got, _ := d.Decrypt(nil, "orders", &sealed); string(got.Value) != "secret" {
			t.Errorf("decrypted %q, with %v", got.Value, got.Undecrypted)
		}
	}
	if service.asked != 2 {
		t.Errorf("the KMS was asked %d times", service.asked)
	}
	other := newKMS()
	if err := must(envelope.NewKeyset(text, other)).Open(t.Context()); err == nil || strings.Contains(err.Error(), "no keyset") {
		t.Errorf("opened by another key: %v", err)
	}
	// What the KMS returns is no keyset.
	other.by = returning("junk")
	if err := must(envelope.NewKeyset(text, other)).Open(t.Context()); err == nil || strings.Contains(err.Error(), "junk") {
		t.Errorf("opened with junk: %v", err)
	}
}

type returning string

func (r returning) Encrypt([]byte, []byte) ([]byte, error) { return []byte(r), nil }
func (r returning) Decrypt([]byte, []byte) ([]byte, error) { return []byte(r), nil }

// TestRotation: a keyset with another key decrypts what either encrypted, and the keyset
// from before only its own.
func TestRotation(t *testing.T) {
	t.Parallel()
	for _, by := range []envelope.KMS{nil, newKMS()} {
		first := must(envelope.Create(t.Context(), by))
		open := func(text []byte) *envelope.Keyset {
			k := must(envelope.NewKeyset(text, by))
			if err := k.Open(t.Context()); err != nil {
				t.Fatal(err)
			}
			return k
		}
		second := must(open(first).Rotate(t.Context()))
		for _, format := range formats {
			old, rotated := must(envelope.NewCipher(open(first), format, "AES256_GCM")), must(envelope.NewCipher(open(second), format, "AES256_GCM"))
			before, after := must(old.Encrypt([]byte("1"), nil)), must(rotated.Encrypt([]byte("2"), nil))
			a, errA := rotated.Decrypt(before, nil)
			b, errB := rotated.Decrypt(after, nil)
			_, errC := old.Decrypt(after, nil)
			if string(a) != "1" || string(b) != "2" || errA != nil || errB != nil || errC == nil {
				t.Errorf("%s: %q %v, %q %v, %v", format, a, errA, b, errB, errC)
			}
		}
		if bytes.Contains(first, []byte("typeUrl")) != (by == nil) && by == nil {
			t.Errorf("encrypted: %s", first)
		}
		if by != nil && (bytes.Contains(second, []byte(`"value"`)) || !bytes.Contains(second, []byte("encryptedKeyset"))) {
			t.Errorf("not encrypted: %s", second)
		}
	}
}

// TestDataKeys: envelopes with every kind of key.
func TestDataKeys(t *testing.T) {
	t.Parallel()
	k := must(envelope.NewKeyset(textOf(fixedKeyset()), nil))
	for _, name := range envelope.DataKeys() {
		cipher := must(envelope.NewCipher(k, envelope.FormatEnvelope, name))
		sealed := must(cipher.Encrypt([]byte("plain"), []byte("a:b")))
		if got, err := cipher.Decrypt(sealed, []byte("a:b")); string(got) != "plain" || err != nil {
			t.Errorf("%s: %q, %v", name, got, err)
		}
		if got, err := cipher.Decrypt(must(cipher.Encrypt(nil, nil)), nil); got == nil || len(got) > 0 || err != nil {
			t.Errorf("%s: nothing is decrypted as %q, %v", name, got, err)
		}
		other := "XCHACHA20_POLY1305"
		if name == other {
			other = "AES256_GCM"
		}
		if got, err := must(envelope.NewCipher(k, envelope.FormatEnvelope, other)).Decrypt(sealed, []byte("a:b")); err == nil {
			t.Errorf("%s as %s: %q", name, other, got)
		}
	}
	if n := len(envelope.DataKeys()); n != 8 || !slices.Contains(envelope.DataKeys(), "AES256_GCM") {
		t.Errorf("%d kinds", n)
	}
	if _, err := envelope.NewCipher(k, envelope.FormatEnvelope, "DES"); err == nil {
		t.Error("DES is a kind")
	}
	if _, err := envelope.NewCipher(k, "pgp", "AES256_GCM"); err == nil {
		t.Error("pgp is a format")
	}
}
