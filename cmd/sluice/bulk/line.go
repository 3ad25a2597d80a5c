package bulk

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
)

// LineBytes is the maximum length of a line.
const LineBytes = 8 << 20

// errLongLine refuses a line, not those that follow.
var errLongLine = fmt.Errorf("the line is longer than %d bytes", LineBytes)

// hasLine reports whether a whole line can be read without waiting.
func hasLine(in *bufio.Reader) bool {
	waiting, _ := in.Peek(in.Buffered())
	return bytes.IndexByte(waiting, '\n') >= 0
}

// readLine returns the next line without its end, and how many bytes it has in the file. The
// error is io.EOF after the last line, which may lack an end; it can come with a line.
func readLine(in *bufio.Reader) (line []byte, size int64, tooLong bool, err error) {
	for {
		part, err := in.ReadSlice('\n')
		size += int64(len(part))
		if len(line)+len(part) > LineBytes+2 {
			tooLong = true
		}
		if tooLong {
			line = nil
		} else {
			line = append(line, part...)
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		return bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r")), size, tooLong, err
	}
}
