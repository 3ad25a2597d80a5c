package transport_test

import "time"

// patience is how long a test waits for what must come. It ends a test that would
// hang; it asserts no speed, as a busy machine may be slow.
const patience = 3 * time.Minute

// never is longer than any test: a limit of this length is not reached.
const never = time.Hour
