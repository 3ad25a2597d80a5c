// Package redact removes and masks fields of the events that subscribers are sent.
//
// A [Redaction] is a set of paths, each of which is removed or masked, which replaces
// the value by the text "***":
//
//	/card/number    a JSON Pointer (RFC 6901) into the record's value
//	/items/*/price  * stands for every member of an object and every element of an array
//	headers.trace   all headers with this name; headers.* are all headers
//	data            the whole value
//
// Names are compared unescaped, and if a name occurs twice in an object, or among the
// headers, each is redacted. A number in a path is the name of a member, or the position
// of an element in the array as it was before anything was removed from it.
//
// A value that an event shows as a string is withheld as a whole by a redaction with
// paths into the value: an event does not tell a string of JSON from other text, or from
// bytes in base64, in which the fields cannot be found. It becomes
//
//	"data":null,"redacted":true
//
// Numbers, true, false and null have no members and remain. A value that is removed as a
// whole, by the path data, is shown in the same way, whatever it is. A tombstone, which has
// no value, remains. Otherwise an event does not show whether something was removed from
// it: also not by naming what is hidden among what could not be decrypted. Keys,
// partitions, offsets and timestamps are never redacted.
//
// [Places] finds the values at paths in the same way, to replace them by others.
//
// # Sets of paths
//
// What lies below a path is hidden with it. [Union] hides what one of several redactions
// hides, and [Intersection] what all of them hide, in records of any shape: that of
// /card and /card/number is /card/number. That of /a and /b has no paths, and withholds
// the values that both withhold as a whole. Where one redaction removes a value and another
// masks it, the union removes it and the intersection masks it.
//
// Redactions that redact the same paths have equal texts, and only these are equal;
// paths that have no effect next to others are left out. Two redactions may have
// different paths and yet the same effect on all records that occur.
//
// A Redaction is immutable and safe for concurrent use. Nil redacts nothing.
//
// # Files
//
// A file uses the files listed after it.
//
//	places.go     Places: replacing values at paths
//	rewrite.go    the event that remains of an event
//	combine.go    Union and Intersection
//	redaction.go  Redaction: from the texts of paths; what it hides
//	tree.go       paths as a tree, by which they are found and compared
//	path.go       the text of a path
package redact
