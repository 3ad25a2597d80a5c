// Package elements splits the body of a request into its elements, such as lines or JSON
// objects, while the body arrives.
//
// Memory is bounded by the longest element that is allowed, not by the body: a Reader hands
// out whole elements where they lie in its buffer. It starts no goroutine, and never reads
// unless it is asked to, so that its caller decides how long a client may be quiet.
//
// # Files
//
// A file uses those listed after it.
//
//	reader.go    Reader: reading on, and what has been read
//	splitter.go  Splitter: where lines and objects end
package elements
