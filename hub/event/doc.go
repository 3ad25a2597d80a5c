// Package event encodes records and gaps as the JSON objects that subscribers are
// sent, which are the same on every transport, and defines what a wire format may
// add around them.
//
//	encoder.go  a record as an event
//	gap.go      a gap as an event
//	format.go   Format: what one wire format adds around an event
package event
