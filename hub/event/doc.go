// Package event writes records and gaps as the JSON objects that subscribers are
// sent, the same on every transport, and says what a wire format may add around
// them.
//
//	encoder.go  a record as an event
//	gap.go      a gap as an event
//	format.go   Format: what one wire format adds around an event
package event
