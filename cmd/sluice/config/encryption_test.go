package config_test

import (
	"errors"
	"strings"
	"testing"

	"sluice/cmd/sluice/config"
	"sluice/hub/envelope"
)

// TestEncryption: faults in what is encrypted, and in what grants show of it.
func TestEncryption(t *testing.T) {
	t.Parallel()
	keyset, err := envelope.Create(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	const (
		kafka   = "kafka: {brokers: [\"127.0.0.1:9092\"]}\n"
		keysets = "encryption: {keysets: {payments: {file: good.json}}}\n"
		grants  = "grants: [{anonymous: true, subscribe: [\"*\"]}]\n"
		base    = kafka + keysets + grants
		vault   = "kms: {vault: {url: \"https://vault:8200\", key: k, token_file: token}}"
	)
	stream := func(decrypt string) string { return "streams: {orders: {topic: orders, decrypt: " + decrypt + "}}\n" }
	for name, c := range map[string]struct {
		file string
		want []string // every fault, by its beginning
	}{
		"good":                   {base + stream("{keyset: payments, paths: [/card/number, /items/*/price, headers.secret]}"), nil},
		"the value":              {base + stream("{keyset: payments, paths: [data, headers.a], format: aead}"), nil},
		"shown":                  {kafka + keysets + "grants: [{anonymous: true, subscribe: [\"ord*\"], decrypt: [/card]}]\n" + stream("{keyset: payments, paths: [/card]}"), nil},
		"vault":                  {kafka + grants + "encryption: {keysets: {a: {file: sealed.json, " + vault + "}}}\nstreams: {a: {topic: a}}\n", nil},
		"no keyset":              {base + stream("{paths: [/a]}"), []string{"streams/orders/decrypt/keyset: is missing"}},
		"unknown keyset":         {base + stream("{keyset: payment, paths: [/a]}"), []string{`streams/orders/decrypt/keyset: "payment" is not in encryption/keysets, did you mean "payments"?`}},
		"no paths":               {base + stream("{keyset: payments}"), []string{"streams/orders/decrypt/paths: is missing"}},
		"no path":                {base + stream("{keyset: payments, paths: [card]}"), []string{`streams/orders/decrypt/paths: the path "card" begins neither`}},
		"twice":                  {base + stream("{keyset: payments, paths: [/a, /a]}"), []string{"streams/orders/decrypt/paths: contains a value twice"}},
		"below":                  {base + stream("{keyset: payments, paths: [/a, /a/b]}"), []string{`streams/orders/decrypt/paths: "/a" and "/a/b" can be the same value, or one a part of the other`}},
		"data and a field":       {base + stream("{keyset: payments, paths: [data, /a]}"), []string{`streams/orders/decrypt/paths: "data" and "/a" can be`}},
		"all headers":            {base + stream("{keyset: payments, paths: [\"headers.*\"]}"), []string{`streams/orders/decrypt/paths: the path "headers.*" is not of one header`}},
		"fields of text":         {base + strings.Replace(stream("{keyset: payments, paths: [/a]}"), "topic: orders", "topic: orders, content: text", 1), []string{"streams/orders/decrypt/paths: fields can be found in JSON only, and content is text"}},
		"format":                 {base + stream("{keyset: payments, paths: [/a], format: pgp}"), []string{`streams/orders/decrypt/format: "pgp" is not one of envelope, aead`}},
		"data key":               {base + stream("{keyset: payments, paths: [/a], data_key: DES}"), []string{`streams/orders/decrypt/data_key: "DES" is not one of AES128_GCM`}},
		"the audit":              {base + "audit: {stream: orders}\n" + stream("{keyset: payments, paths: [/a]}"), []string{"streams/orders/decrypt: the server itself writes this stream"}},
		"no file":                {kafka + grants + "encryption: {keysets: {a: {file: no.json}}}\nstreams: {a: {topic: a}}\n", []string{"encryption/keysets/a/file: cannot read DIR/no.json"}},
		"a file without keys":    {kafka + grants + "encryption: {keysets: {a: {file: token}}}\nstreams: {a: {topic: a}}\n", []string{"encryption/keysets/a/file: it is no keyset of Tink in JSON"}},
		"encrypted, no kms":      {kafka + grants + "encryption: {keysets: {a: {file: sealed.json}}}\nstreams: {a: {topic: a}}\n", []string{"encryption/keysets/a/file: the keyset is encrypted, and no KMS is configured"}},
		"a kms, not encrypted":   {kafka + grants + "encryption: {keysets: {a: {file: good.json, " + vault + "}}}\nstreams: {a: {topic: a}}\n", []string{"encryption/keysets/a/file: the keyset is not encrypted, although"}},
		"name of a keyset":       {kafka + grants + "encryption: {keysets: {a/b: {file: good.json}}}\nstreams: {a: {topic: a}}\n", []string{`encryption/keysets/a/b: "a/b" is not a keyset's name`}},
		"an empty kms":           {kafka + grants + "encryption: {keysets: {a: {file: sealed.json, kms: {}}}}\nstreams: {a: {topic: a}}\n", []string{"encryption/keysets/a/kms/vault: is missing"}},
		"vault over http":        {kafka + grants + "encryption: {keysets: {a: {file: sealed.json, " + strings.Replace(vault, "https", "http", 1) + "}}}\nstreams: {a: {topic: a}}\n", []string{"encryption/keysets/a/kms/vault/url: "}},
		"no token":               {kafka + grants + "encryption: {keysets: {a: {file: sealed.json, " + strings.Replace(vault, ", token_file: token", "", 1) + "}}}\nstreams: {a: {topic: a}}\n", []string{"encryption/keysets/a/kms/vault/token_file: is missing"}},
		"mount":                  {kafka + grants + "encryption: {keysets: {a: {file: sealed.json, " + strings.Replace(vault, "key: k", "key: ../k, mount: ../sys", 1) + "}}}\nstreams: {a: {topic: a}}\n", []string{"encryption/keysets/a/kms/vault/key: ", "encryption/keysets/a/kms/vault/mount: "}},
		"authorities of vault":   {kafka + grants + "encryption: {keysets: {a: {file: sealed.json, " + strings.Replace(vault, "key: k", "key: k, ca_file: token", 1) + "}}}\nstreams: {a: {topic: a}}\n", []string{"encryption/keysets/a/kms/vault/ca_file: the file contains no certificate"}},
		"shown, misspelt":        {kafka + keysets + "grants: [{anonymous: true, subscribe: [orders], decrypt: [/car]}]\n" + stream("{keyset: payments, paths: [/card]}"), []string{`grants/0/decrypt/0: "/car" is not in decrypt/paths of a stream that subscribe matches, which have /card, did you mean "/card"?`}},
		"shown, of another":      {kafka + keysets + "grants: [{anonymous: true, subscribe: [b], decrypt: [/card]}]\nstreams: {b: {topic: b}, orders: {topic: orders, decrypt: {keyset: payments, paths: [/card]}}}\n", []string{"grants/0/decrypt/0: no stream that subscribe matches has decrypt"}},
		"shown, below":           {kafka + keysets + "grants: [{anonymous: true, subscribe: [orders], decrypt: [/card/number]}]\n" + stream("{keyset: payments, paths: [/card]}"), []string{`grants/0/decrypt/0: "/card/number" is not in`}},
		"shown without right":    {kafka + keysets + "grants: [{anonymous: true, publish: [orders], decrypt: [/card]}]\n" + stream("{keyset: payments, paths: [/card]}"), []string{"grants/0/decrypt: decrypt requires subscribe"}},
		"the text of a password": {kafka + grants + "encryption: {keysets: {a: {file: hunter2.json}}}\nstreams: {a: {topic: a}}\n", []string{"encryption/keysets/a/file: it is no keyset"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, dir, err := load(t, map[string]string{
				"sluice.yaml": c.file, "good.json": string(keyset), "token": "hvs.x\n", "sealed.json": `{"encryptedKeyset":"dmF1bHQ6djE6eA=="}`,
				"hunter2.json": `{"primaryKeyId":1,"key":"hunter2"}`,
			}, nil)
			var lines []string
			var faults config.Faults
			if errors.As(err, &faults) {
				lines = strings.Split(placeless(strings.ReplaceAll(err.Error(), dir, "DIR")), "\n  ")[1:]
			} else if err != nil {
				t.Fatal(err)
			}
			if len(lines) != len(c.want) {
				t.Fatalf("got %d faults, want %d:\n%s", len(lines), len(c.want), strings.Join(lines, "\n"))
			}
			for i, want := range c.want {
				if !strings.HasPrefix(lines[i], want) || strings.Contains(lines[i], "hunter2") && !strings.Contains(lines[i], "hunter2.json") {
					t.Errorf("got  %s\nwant %s…", lines[i], want)
				}
			}
		})
	}
}

// TestDataKeysAreKnown: each kind of key that can be decrypted can be configured.
func TestDataKeysAreKnown(t *testing.T) {
	t.Parallel()
	keyset, err := envelope.Create(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range envelope.DataKeys() {
		_, _, err := load(t, map[string]string{"good.json": string(keyset), "sluice.yaml": `
kafka: {brokers: ["127.0.0.1:9092"]}
grants: [{anonymous: true, subscribe: ["*"]}]
encryption: {keysets: {a: {file: good.json}}}
streams: {orders: {topic: orders, decrypt: {keyset: a, paths: [/a], data_key: ` + name + `}}}
`}, nil)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
