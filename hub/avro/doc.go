// Package avro shows values in the binary encoding of Avro as JSON, and encodes values in
// JSON in it.
//
// The schema is parsed by a library. Values are decoded here, from the bytes to the text,
// with nothing in between, so that what a value takes is bounded by the text that it makes:
// a value of a few bytes can stand for any number of items, or a deep tree of them. They are
// encoded here in the same way, by the scanner that has accepted the JSON: there is no second
// parser that could read something else.
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
//   - Values are encoded from plain JSON, in which fields with a default can be missing, and
//     from Avro's JSON encoding, in which an object names the branch of a union. What is
//     shown of a value can be encoded again, and makes the same value, if its unions can be
//     told apart by the JSON.
//   - Nothing is lost in encoding: integers and decimals fit digit for digit, and what is no
//     field of the schema is a violation. Only floating-point numbers are rounded.
//   - Violations have JSON pointers, and come in the order of the document. Their messages
//     contain nothing of the value but names in pointers.
//   - Time and memory for encoding are counted against Limits.Steps: a step is about a value,
//     sixteen bytes of text, or a byte of a default; and one for each branch that is looked at.
//
// A Schema is immutable. The package starts no goroutine.
//
// # Files
//
// A file uses those listed after it.
//
//	decode.go         a value as JSON
//	scalar.go         values that have no others in them
//	input.go          decoder: what is left of a value, and its JSON so far
//
//	encode.go         a value in JSON in binary
//	encodeparts.go    objects and arrays
//	encodeunion.go    the branch that a value is of
//	encodescalar.go   values that have no others in them
//	encodedecimal.go  decimals
//	encoder.go        encoder: what there is of a value so far, its bounds, what is found
//	violation.go      what is found, in words
//	number.go         numbers as integers of 64 bits and more
//
//	schema.go         Schema: from the text of a schema to nodes
//	expansion.go      what defaults stand for, before the library expands them
//	defaults.go       defaults of fields
//	node.go           node: a type
package avro
