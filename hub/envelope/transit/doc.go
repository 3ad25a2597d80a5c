// Package transit encrypts and decrypts keysets with the transit secrets engine of
// HashiCorp Vault, over its HTTP API. A ciphertext is the text that Vault returns, such as
// `vault:v1:…`, as it is in keysets that other implementations of Tink encrypt with Vault.
//
// A request goes to a URL of the configuration and nowhere else: redirects are not
// followed, and an answer has at most 1 MiB and takes at most Config.Timeout. Requests are
// not repeated. Errors contain neither the token nor anything that was sent or returned.
//
// # Files
//
// A file uses the files listed after it.
//
//	transit.go  Client
package transit
