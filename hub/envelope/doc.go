// Package envelope decrypts what is encrypted in records, with Tink: members of JSON
// values, headers, or whole values.
//
// What is encrypted stands at paths, in the form of package redact:
//
//	/card/number    a JSON string with the ciphertext in base64 (RFC 4648, section 4), for
//	                which the plaintext stands, a JSON text
//	headers.secret  the header's value is the ciphertext
//	data            the record's value is the ciphertext
//
// A ciphertext is that of an AEAD of Tink: of its KMS envelope AEAD, whose key-encryption
// key is a keyset, or directly of the keyset. The associated data binds it to a topic and
// a path, so that it can be moved to no place that others may read: `TOPIC:PATH`, with the
// path as it was written in the configuration.
//
// # Guarantees
//
//   - Where a ciphertext is expected, nothing but the plaintext remains, or null: no
//     ciphertext, nothing that was not authenticated, nothing that is no ciphertext.
//   - What is null, or missing, remains so. Everything else that cannot be decrypted is
//     listed in the record.
//   - Nothing is asked of others while records are decrypted: a [Keyset] that is encrypted
//     itself is decrypted once, by [Keyset.Open].
//   - Nothing in a record chooses anything but one of the keys of the keyset. No error has
//     content of a keyset or a record in it.
//
// A [Decrypter] is safe for concurrent use. Nothing here starts a goroutine.
//
// # Files
//
// A file uses the files listed after it.
//
//	decrypter.go  Decrypter: a record in plaintext
//	cipher.go     Cipher: ciphertexts of a format
//	keyset.go     Keyset: read, opened, created, rotated
package envelope
