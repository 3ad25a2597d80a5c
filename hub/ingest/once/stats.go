package once

import "sync/atomic"

// Stats counts since the start.
type Stats struct {
	// Lookbacks counts ids that were looked for in a log, by what came of it: found, absent
	// (the record is not stored), and unknown.
	Found, Absent, Unknown uint64
	// Scanned is how many bytes of records were read for that.
	Scanned uint64
	// Dropped counts what became of claims and could not be written.
	Dropped uint64
	// Waiting is how many are to be written now.
	Waiting int
}

type stats struct{ found, absent, unknown, scanned, dropped atomic.Uint64 }
