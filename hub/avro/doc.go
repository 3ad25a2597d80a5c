// Package avro shows values in the binary encoding of Avro as JSON.
//
// The schema is parsed by a library. Values are decoded here, from the bytes to the text,
// with nothing in between, so that what a value takes is bounded by the text that it makes:
// a value of a few bytes can stand for any number of items, or a deep tree of them.
//
// # Guarantees
//
//   - Time and memory are in proportion to the value and to its JSON, which has at most as
//     many bytes as the caller allows. Lengths and counts are believed only as far as there
//     are bytes, or room for what they make.
//   - A value nests at most 512 levels deep.
//   - The JSON is plain: a value of a union is shown without the name of its branch. Bytes
//     and fixed are strings with a character for each byte, as in Avro's JSON encoding.
//     Decimals are numbers with all their digits, a uuid of 16 bytes is shown in hexadecimal
//     groups, other logical types as the type they annotate. Infinite numbers and NaN are
//     strings.
//   - What is not a value of the schema, byte for byte to its end, is an error.
//
// A Schema is immutable. The package starts no goroutine.
//
// # Files
//
// A file uses those listed after it.
//
//	decode.go  a value as JSON
//	scalar.go  values that have no others in them
//	input.go   decoder: what is left of a value, and its JSON so far
//	schema.go  Schema: from the text of a schema to nodes
//	node.go    node: a type
package avro
