package compress

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/klauspost/compress/flate"
)

// inflaters decompress messages. None of them belongs to a connection, as
// clients begin each message anew.
var inflaters = sync.Pool{New: func() any { return flate.NewReader(bytes.NewReader(nil)) }}

// maxLastBlocks bounds how many blocks of a message say that they are the last
// one. Behind each the inflater is laid out anew with the whole window, which
// costs more than a thousand times what the two bytes of an empty one do.
const maxLastBlocks = 16

// Inflate puts into plain, which is empty, what a compressed message (RFC 7692,
// section 7.2.2) holds, as far as a byte more than a limit; 0 for any. The message
// is used up.
func Inflate(plain, message *bytes.Buffer, most int) error {
	inflater, ok := inflaters.Get().(interface {
		io.Reader
		flate.Resetter
	})
	if !ok {
		return errors.New("get inflater: it cannot be used again")
	}
	defer inflaters.Put(inflater)
	// Behind the tail that every message is sent without comes a last block, so
	// that the end of a message that was cut short is not taken for one.
	const end = deflateTail + "\x01\x00\x00\xff\xff"
	message.WriteString(end)
	for lastBlocks := 0; message.Len() > len(end); lastBlocks++ {
		// Behind a last block, which none has to have, there may be more.
		if lastBlocks > maxLastBlocks {
			return fmt.Errorf("inflate message: more than %d blocks are the last one", maxLastBlocks)
		}
		window := plain.Bytes()[max(0, plain.Len()-1<<maxWindowBits):]
		if err := inflater.Reset(message, window); err != nil {
			return fmt.Errorf("reset inflater: %w", err)
		}
		r := io.Reader(inflater)
		if most > 0 {
			r = io.LimitReader(r, int64(most)+1-int64(plain.Len()))
		}
		switch _, err := plain.ReadFrom(r); {
		case most > 0 && plain.Len() > most:
			return nil
		case err != nil:
			return fmt.Errorf("inflate message: %w", err)
		}
	}
	return nil
}
