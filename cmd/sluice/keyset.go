package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"sluice/cmd/sluice/config"
	"sluice/hub/envelope"
)

func newKeyset() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "keyset",
		Short: "Manage keysets of what is encrypted in records",
	}
	cmd.AddCommand(newKeysetCreate(), newKeysetRotate())
	return cmd
}

func newKeysetCreate() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "create FILE",
		Short: "Create a keyset",
		Long: `Create writes a new keyset of Tink with one key (AES256_GCM), in JSON, to a file that
only its owner can read. A file that is there is not replaced. Producers encrypt with the
keyset, and servers decrypt with it: encryption/keysets.

With --vault-url the keyset is encrypted by a key of HashiCorp Vault.`,
		Example: `  sluice keyset create payments.json
  sluice keyset create cards.json --vault-url https://vault:8200 --vault-key sluice --vault-token-file token`,
		Args: cobra.ExactArgs(1),
	}
	kms := vaultFlags(cmd.Flags())
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		by, err := kms()
		if err != nil {
			return err
		}
		if _, err := os.Lstat(args[0]); err == nil {
			return usage("%s is there already, and keysets are not replaced: sluice keyset rotate adds a key", args[0])
		}
		text, err := envelope.Create(cmd.Context(), by)
		if err != nil {
			return err
		}
		file, err := os.OpenFile(args[0], os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return usage("%w", err)
		}
		_, err = file.Write(text)
		return errors.Join(err, file.Close())
	}
	return cmd
}

func newKeysetRotate() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "rotate FILE",
		Short: "Add a key to a keyset",
		Long: `Rotate adds a key to a keyset, by which producers encrypt from then on. The keys that
it had remain, so that records that are there can still be decrypted. Give the file to all
servers first, and have them read it (SIGHUP): until then they cannot decrypt what the new
key encrypts.`,
		Example: `  sluice keyset rotate payments.json`,
		Args:    cobra.ExactArgs(1),
	}
	kms := vaultFlags(cmd.Flags())
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		k, err := openKeyset(cmd, args[0], kms)
		if err != nil {
			return err
		}
		text, err := k.Rotate(cmd.Context())
		if err != nil {
			return err
		}
		return replaceFile(args[0], text)
	}
	return cmd
}

// vaultFlags adds the flags of the KMS of a keyset. The returned function returns it once
// the flags are parsed, nil for none.
func vaultFlags(flags *pflag.FlagSet) func() (envelope.KMS, error) {
	v := &config.Vault{}
	flags.StringVar(&v.URL, "vault-url", "", "`URL` of the Vault that encrypts the keyset, https, or http on loopback")
	flags.StringVar(&v.Mount, "vault-mount", "", "path at which its transit engine is mounted; default is transit")
	flags.StringVar(&v.Key, "vault-key", "", "name of the key in its transit engine")
	flags.StringVar((*string)(&v.TokenFile), "vault-token-file", "", "`file` that contains a token for it")
	flags.StringVar((*string)(&v.CAFile), "vault-ca-file", "", "`file` that contains its certificate authorities (PEM); default is the system's")
	return func() (envelope.KMS, error) {
		if v.URL == "" {
			if v.Key != "" || v.TokenFile != "" || v.CAFile != "" || v.Mount != "" {
				return nil, usage("--vault-url is required with the other flags of Vault")
			}
			return nil, nil
		}
		if err := v.Complete(); err != nil {
			return nil, usage("vault %w", err)
		}
		client, err := v.Client()
		if err != nil {
			return nil, usage("%w", err)
		}
		return client, nil
	}
}

// openKeyset reads a keyset, and has it decrypted.
func openKeyset(cmd *cobra.Command, name string, kms func() (envelope.KMS, error)) (*envelope.Keyset, error) {
	by, err := kms()
	if err != nil {
		return nil, err
	}
	file, err := os.Open(name)
	if err != nil {
		return nil, usage("%w", err)
	}
	defer func() { _ = file.Close() }()
	text, err := io.ReadAll(io.LimitReader(file, envelope.MaxKeysetBytes+1))
	if err != nil {
		return nil, fmt.Errorf("read keyset: %w", err)
	}
	k, err := envelope.NewKeyset(text, by)
	if err != nil {
		return nil, usage("%s: %w", name, err)
	}
	return k, k.Open(cmd.Context())
}

// replaceFile replaces the content of a file at once, and keeps its permissions.
func replaceFile(name string, content []byte) error {
	info, err := os.Stat(name)
	if err != nil {
		return err
	}
	made, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".*")
	if err != nil {
		return err
	}
	_, err = made.Write(content)
	err = errors.Join(err, made.Chmod(info.Mode().Perm()), made.Sync(), made.Close())
	if err == nil {
		err = os.Rename(made.Name(), name)
	}
	if err != nil {
		return errors.Join(err, os.Remove(made.Name()))
	}
	return nil
}
