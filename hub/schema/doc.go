// Package schema checks the values of records against schemas: JSON Schema, in the drafts from
// draft-04 to 2020-12, which a schema chooses by $schema.
//
// A schema is compiled from a file by a library, which also checks it against its
// metaschema. A value is checked in place, by the same scanner that has accepted it as
// JSON: there is no second parser that could read something else. Where that scanner
// leaves something open, a value is refused: a string with half of a character, which some
// readers replace, and a number whose exponent no reader can hold.
//
// # Guarantees
//
//   - Every violation has a JSON pointer (RFC 6901) into the value. Violations come in the
//     order of the document, as many as were asked for.
//   - Numbers are compared digit for digit, however many they have. 1.0 is an integer, but
//     not in draft-04.
//   - Each resource within a file follows its own draft.
//   - A schema refers to nothing outside its file, and no file or network is read for it.
//   - Formats are asserted, in all drafts. A format that is not known is refused with the
//     schema, unless Options say that it has no effect.
//   - Time and memory for a value are bounded, whatever the schema and the value are:
//     patterns run in linear time (RE2), equal items are found by hash, and all steps are
//     counted against Limits.Steps.
//   - Messages contain what the schema says, and of the value nothing but the names in
//     pointers, which are bounded too.
//
// A JSON is immutable, and is used by many goroutines at once. The package starts none.
//
// # Files
//
// A file uses those listed after it. Those of one paragraph belong together.
//
//	compile.go    Compile: from the file of a schema to nodes
//	rules.go      what the keywords of one schema require
//	compiler.go   what is known while a file is compiled, and the library
//	cycle.go      schemas that would never end
//	resources.go  which places of the file are schemas, and of which draft
//	document.go   the file: how it is read
//
//	schema.go     JSON: checking a value
//	check.go      what is checked of an item of a value
//	inplace.go    schemas that apply to the same item: allOf, anyOf, oneOf, not, if, $ref
//	object.go     objects and their members
//	array.go      arrays and their elements
//	scalar.go     strings and numbers
//	equal.go      equality, and finding equal items
//	run.go        a run: one value that is being checked, its bounds, what is found
//
//	pointer.go    pointers by places, for other kinds of schemas
//	violation.go  what is found, in words
//	draft.go      Draft: what each version of JSON Schema has
//	node.go       node: a schema of a file
//	format.go     formats and patterns
//	tape.go       a value as a list of items
//	decimal.go    comparing numbers digit for digit
//	keyword.go    what can be violated
package schema
