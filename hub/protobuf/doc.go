// Package protobuf shows values in the binary encoding of Protocol Buffers as JSON, and encodes
// JSON as such values, by the JSON mapping of the standard
// (https://protobuf.dev/programming-guides/json/).
//
// The text of a schema, with the files that it imports, is compiled by a library. Values and
// documents are read here, from one text to the other, with nothing in between, so that what a
// value takes is bounded by the text that it makes, and all violations of a document are told
// with their places. That takes a twentieth of the time of the library's own reflection.
//
// A value begins with message indexes: which message of the file it is, as serializers of
// Confluent's write it. They count messages as the text of the schema has them: neither the
// entries of maps, nor groups.
//
// # Guarantees of showing
//
//   - Time and memory are in proportion to the value and to its JSON, which has at most as
//     many bytes as the caller allows. Lengths are believed only as far as there are bytes.
//   - Messages nest at most 100 levels deep, entries of maps and groups included.
//   - The same value makes the same JSON: fields by their number, maps by their keys. No name
//     is there twice.
//   - Values in parts are put together as the standard says: the last of several values counts,
//     messages are merged, the last field of a oneof is the one that is set, and of entries
//     with the same key the last one counts. What is replaced is not looked into.
//   - What the schema does not have is left out: fields, and fields of another wire type.
//     Numbers that an enumeration does not have are shown as numbers. A message in a
//     google.protobuf.Any whose type the schema does not have is shown as @type and, in base64,
//     @value.
//   - Fields without presence are left out if they have their default value.
//   - What is not a message, and what JSON cannot show, is an error: text that is not UTF-8, a
//     timestamp out of bounds, a message without a field that is required.
//
// # Guarantees of encoding
//
//   - Integers keep all of their digits, and none that does not fit is cut off. 5.0 and 1e3 are
//     integers. Other numbers become the nearest one that their type has.
//   - Every violation has a JSON pointer. They come in the order of the document, as many as
//     were asked for. They contain nothing of the document but names in pointers.
//   - A field that the schema does not have is a violation; so are both names of one field, two
//     fields of a oneof, and a number that a closed enumeration does not have. null is as if
//     the field were not there.
//   - The same document makes the same bytes, in its order.
//   - What is encoded can be shown: it nests at most 100 levels deep. Time and memory are in
//     proportion to the document, and all steps are counted against schema.Limits.
//
// # Guarantees of schemas
//
//   - A schema with all that it imports has at most 1 MiB in 65 files, and nests at most 64
//     levels deep. Compiling it takes a few seconds at most, and in proportion to its size.
//   - No file or network is read for it. The files of the standard, and those of Confluent's
//     for annotations and decimals, are known.
//
// A Schema is immutable, and is used by many goroutines at once. The package starts none.
//
// # Files
//
// A file uses those listed after it. Those of one paragraph belong together.
//
//	decode.go   a value as JSON
//	special.go  messages that are not shown as their fields
//	show.go     values that have no fields
//	scan.go     decoder: the fields of a message, and where their values are
//
//	encode.go         a document as a value
//	encodespecial.go  messages that are not written as their fields
//	encodescalar.go   values that have no fields
//	number.go         integers as they are written
//	encoder.go        encoder: a document that is read, what is wrong with it, its bounds
//
//	compile.go   Compile: from the texts of files to a schema
//	nodes.go     from the descriptors of the library to messages
//	indexes.go   the indexes of a message
//	schema.go    Schema and Message
//	node.go      message, field, enum
//	standard.go  files that every schema can import
//	source.go    what of a text the library is given
package protobuf
