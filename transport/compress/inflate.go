package compress

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/klauspost/compress/flate"
)

// inflaters decompress messages. None belongs to a connection, because clients
// compress each message on its own.
var inflaters = sync.Pool{New: func() any { return flate.NewReader(bytes.NewReader(nil)) }}

// maxLastBlocks bounds the number of blocks in a message that are marked as the
// last one. After each of them the inflater is reset with the whole window, which
// costs more than a thousand times what the two bytes of an empty block do.
const maxLastBlocks = 16

// Inflate decompresses a message (RFC 7692, section 7.2.2) into plain, which must
// be empty, up to one byte more than the limit most; 0 means no limit. The
// message is consumed.
func Inflate(plain, message *bytes.Buffer, most int) error {
	inflater, ok := inflaters.Get().(interface {
		io.Reader
		flate.Resetter
	})
	if !ok {
		return errors.New("get inflater: the inflater cannot be reused")
	}
	defer inflaters.Put(inflater)
	// After the tail that is omitted from every message comes a last block, so
	// that the end of a truncated message is not taken for the end of a complete
	// one.
	const end = deflateTail + "\x01\x00\x00\xff\xff"
	message.WriteString(end)
	for lastBlocks := 0; message.Len() > len(end); lastBlocks++ {
		// More blocks may follow a last block, which a message need not have.
		if lastBlocks > maxLastBlocks {
			return fmt.Errorf("inflate message: more than %d final blocks", maxLastBlocks)
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
