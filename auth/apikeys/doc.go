// Package apikeys verifies API keys: credentials that an operator makes, one for each
// client, and that need no identity provider.
//
// A key is sluice_ID_SECRET. The ID is not secret; it finds the entry of the key, which
// contains a hash of the secret, the subject, the claims and an optional expiry. An
// entry is in a file, in a Store that several instances share, or in both; then the
// file counts.
//
// # Hashes
//
// Keys made by Create have 256 random bits, and their entries the SHA-256 sum of the
// secret. A slow hash protects a secret that can be guessed; 256 random bits cannot
// be, however fast the hash is, so a slow hash would only cost processor time at every
// request, which a client can send many of. Secrets of other origin, which people may
// have chosen, are stored as a slow hash: bcrypt, or argon2id (RFC 9106).
//
// The package guarantees:
//   - a key is compared in constant time with the hash of its entry, and with nothing
//     else: an unknown ID costs a look into a map, and with a Store one look into it;
//   - at most Config.SlowChecks slow hashes are computed at the same time, and one for
//     each key; a secret that has passed is remembered, by a digest under a key of the
//     process, until its entry has another hash;
//   - an entry that is removed from the file ends the validity of its key once the file
//     has been read again, which happens within fileEvery; one that is removed from the
//     Store, within Config.StaleFor. Config.Changed is called then, so that sessions end
//     (Keys.Current): for a key of the file at once, and for one of the Store when
//     somebody uses it again;
//   - while the file is missing or damaged, the entries that were read last remain in
//     use, as an error in one entry must not lock out all clients; while the Store is
//     unavailable, its keys are refused with auth.ErrVerifierUnavailable once they are
//     older than Config.StaleFor;
//   - no error and no log line contains a key or any part of one but its ID.
//
// New starts no goroutine. Run reads the file again, and calls Config.Changed, until its
// context ends.
//
// # Files
//
// A file uses those listed after it.
//
//	keys.go    Config, Keys: the Verifier
//	stored.go  entries of a Store, kept for a short time
//	file.go    entries of a file
//	create.go  making keys
//	entry.go   entries, and their form in YAML and JSON
//	format.go  the text of a key
//	slow.go    checking slow hashes, within bounds
//	hash.go    hashes and their texts
//	room.go    bounds of maps
package apikeys
