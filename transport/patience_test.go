package transport_test

import "time"

// patience is how long a test waits for what must come. It ends a test that
// would hang, and says nothing of speed: a busy machine may take its time.
const patience = time.Minute

// never is longer than any test: what a limit of it would do does not happen.
const never = time.Hour
