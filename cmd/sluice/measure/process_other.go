//go:build !unix

package measure

import "time"

// cpuTime is not known.
func cpuTime() time.Duration { return 0 }

// OpenFiles is not known.
func OpenFiles() (most uint64, known bool) { return 0, false }
