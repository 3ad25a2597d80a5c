// Package bulk publishes the lines of a file for `sluice publish`, each as a record.
//
// # Guarantees
//
//   - Lines that can be read without waiting are sent together; none waits for lines that have
//     not come yet.
//   - With one request at a time, lines are sent in their order. With more, or where a line is
//     sent again, a line can be stored behind later ones.
//   - What may not have been stored is sent again for a time. No line is stored twice by that:
//     a line has a message id, the same each time it is sent; without one, because the stream
//     takes none, it is sent again only if it is certainly not stored.
//   - A line that is refused does not stop the others. What refuses the request as a whole does:
//     a stream that is not there, a missing right, a server that stays away.
//   - Each line is reported once, in the order of the lines.
//
// # Goroutines
//
// Run reads in one goroutine and sends each batch in one of its own, of which there are at most
// Config.AtOnce; it returns when all have ended, except for a reader that waits for input.
// Memory is bounded by that number of batches.
//
// # Files
//
//	run.go     Config, Run
//	batches.go from lines to batches
//	line.go    reading lines
//	record.go  from a line to a record
//	send.go    a batch, until it is known what has become of it
//	ids.go     streams that take no message ids
//	report.go  what has become of lines
package bulk
