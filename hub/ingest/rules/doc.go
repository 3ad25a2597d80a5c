// Package rules has the steps of the ingest pipeline that hold a stream's own rules: what
// kinds of values it has, whose keys and headers a record may have, and how large they may
// be. Each is an ingest.Step. A record that breaks a rule is refused with
// ingest.ErrInvalid, and with words that say what to send.
//
// The steps are immutable, need nothing outside the batch, and do not block.
//
// # Files
//
// A file uses the files listed after it.
//
//	content.go   Content: the kinds of values that a stream has
//	sizes.go     Sizes: how large keys, values and headers may be
//	timestamps.go Timestamps: which timestamps clients may set
//	headers.go   Headers: which headers clients may set, and which the server sets
//	keys.go      Keys: where the key of a record comes from
//
//	trace.go     trace contexts
//	template.go  texts made of claims
//	pointer.go   places in JSON
package rules
