// Package terminal is what commands know about terminals: whether an output is one, colours,
// what must not reach one, a line of progress below what is printed, and figures as people
// read them.
//
// A Line is safe for concurrent use; everything else is a function of its arguments.
//
// # Files
//
//	color.go    when to use colours; JSON in colours
//	safe.go     control characters in the text of others, and a writer for it
//	line.go     the line of progress
//	figures.go  numbers of bytes, times, parts of a whole
//	gone_*.go   noticing that nobody reads a pipe any more
package terminal
