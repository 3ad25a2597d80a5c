package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"sluice/hub/envelope"
	"sluice/hub/redact"
)

// maxPlaintext bounds what encrypt reads.
const maxPlaintext = 16 << 20

func newEncrypt() *cobra.Command {
	var (
		file, context, format, dataKey string
		raw                            bool
	)
	cmd := &cobra.Command{
		Use:   "encrypt",
		Short: "Encrypt a value as producers do",
		Long: `Encrypt reads a plaintext from standard input and prints the ciphertext in base64, as it
stands in a field of a JSON value. The command is to try decrypt of streams: producers use
Tink.

--context is TOPIC:PATH, the topic's name in Kafka and a path of streams/NAME/decrypt. The
plaintext of a field is JSON: the text 4111 is written "4111". That of a header or a whole
value is encrypted as it is, with its last line break, and --raw writes the ciphertext
itself, which is what a header or a whole value is.`,
		Example: `  echo '"4111111111111111"' | sluice encrypt --keyset payments.json --context orders:/card/number
  printf 'hello' | sluice encrypt --keyset payments.json --context orders:data --raw | kcat -P -b kafka-1 -t orders`,
		Args: cobra.NoArgs,
	}
	flags := cmd.Flags()
	flags.StringVar(&file, "keyset", "", "`file` that contains the keyset")
	flags.StringVar(&context, "context", "", "what the ciphertext is bound to: TOPIC:PATH")
	flags.StringVar(&format, "format", string(envelope.FormatEnvelope), "format of the ciphertext: envelope or aead")
	flags.StringVar(&dataKey, "data-key", "AES256_GCM", "key template of the key of an envelope")
	flags.BoolVar(&raw, "raw", false, "write the ciphertext itself, not in base64")
	_ = cmd.MarkFlagFilename("keyset", "json")
	kms := vaultFlags(flags)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if file == "" || context == "" {
			return usage("--keyset and --context are required")
		}
		topic, path, ok := strings.Cut(context, ":")
		if !ok || topic == "" {
			return usage("--context %q is not TOPIC:PATH, such as orders:/card/number", context)
		}
		places, err := redact.NewPlaces([]string{path})
		if err != nil {
			return usage("--context: %w", err)
		}
		k, err := openKeyset(cmd, file, kms)
		if err != nil {
			return err
		}
		cipher, err := envelope.NewCipher(k, envelope.Format(format), dataKey)
		if err != nil {
			return usage("%w", err)
		}
		plaintext, err := io.ReadAll(io.LimitReader(cmd.InOrStdin(), maxPlaintext+1))
		if err != nil {
			return fmt.Errorf("read plaintext: %w", err)
		}
		if len(plaintext) > maxPlaintext {
			return usage("the plaintext is larger than %d bytes", maxPlaintext)
		}
		if places.HasFields() {
			if plaintext = bytes.TrimSpace(plaintext); !json.Valid(plaintext) {
				return usage("the plaintext of a field is JSON: write a text in quotes, such as '\"4111\"'")
			}
		}
		ciphertext, err := cipher.Encrypt(plaintext, envelope.AssociatedData(nil, topic, path))
		if err != nil {
			return err
		}
		if !raw {
			ciphertext = append(base64.StdEncoding.AppendEncode(nil, ciphertext), '\n')
		}
		_, err = cmd.OutOrStdout().Write(ciphertext)
		return err
	}
	return cmd
}
