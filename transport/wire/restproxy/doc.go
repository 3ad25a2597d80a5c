// Package restproxy reads and writes what producers send to a REST proxy for Kafka, and
// what they are answered: its interface of version 3, in which each record has a delivery
// report, and that of version 2. It is for producers that move to this server.
//
// What producers say about the schema of values is compared with that of the stream, and
// chooses none. Records cannot choose their partition.
// Otherwise the package keeps to what such producers rely on: null data is a null key or a
// tombstone, and JSON is stored as it was sent, but that keys in JSON lose their white
// space, so that equal keys have equal bytes.
//
// All functions are safe for concurrent use.
//
// # Files
//
// A file uses the files listed after it.
//
//	version3.go  records and delivery reports of version 3
//	version2.go  requests and answers of version 2
//	errors.go    the numbers of errors
//	declared.go  what producers say about the schema of values
//	fields.go    the fields of records
package restproxy
