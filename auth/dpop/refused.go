package dpop

import (
	"fmt"

	"sluice/auth"
)

// refused returns an error with a fixed reason why a proof is not valid. It takes no
// argument from the proof, so that no part of one gets into a log.
func refused(why string) error { return fmt.Errorf("%w: %s", auth.ErrInvalidProof, why) }
