package transport

import (
	"bytes"
	"encoding/binary"
	"testing"

	"pgregory.net/rapid"
)

// TestFrameHeaders: however the bytes of a connection are split, what is passed on
// ends before the first header with which a message becomes too large.
func TestFrameHeaders(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		most := rapid.IntRange(1, 300).Draw(t, "most")
		var (
			all     []byte
			end     = -1 // offset of the header that declares too much
			message int
			open    bool
		)
		for range rapid.IntRange(1, 12).Draw(t, "frames") {
			begin := len(all)
			size := rapid.IntRange(0, 200).Draw(t, "size")
			final, op := rapid.Bool().Draw(t, "final"), byte(1)
			switch {
			case rapid.IntRange(0, 3).Draw(t, "kind") == 0:
				final, op, size = true, 9, min(size, 125)
			case open:
				op = 0
			}
			head := []byte{op, 0x80}
			if final {
				head[0] |= 0x80
			}
			switch form := rapid.IntRange(0, 2).Draw(t, "form"); {
			case form == 2 && op != 9:
				head[1] |= 127
				head = binary.BigEndian.AppendUint64(head, uint64(size))
			case (form == 1 || size > 125) && op != 9:
				head[1] |= 126
				head = binary.BigEndian.AppendUint16(head, uint16(size))
			default:
				head[1] |= byte(size)
			}
			all = append(append(all, head...), 1, 2, 3, 4)
			all = append(all, bytes.Repeat([]byte{0xFF}, size)...)
			if op != 9 {
				if message += size; message > most && end < 0 {
					end = begin
				}
				if open = !final; final {
					message = 0
				}
			}
		}
		f := frameHeaders{most: int64(most)}
		passed, refused := 0, false
		for rest := all; len(rest) > 0 && !refused; {
			n := rapid.IntRange(1, len(rest)).Draw(t, "cut")
			var took int
			took, refused = f.follow(rest[:n])
			passed += took
			rest = rest[n:]
		}
		if refused != (end >= 0) {
			t.Fatalf("refused is %v, want %v", refused, end >= 0)
		}
		// Part of the header may have been passed on already, with an earlier read.
		if refused && (passed < end || passed > end+longestHead) {
			t.Fatalf("%d bytes were passed on, want up to the header at %d", passed, end)
		}
		if !refused && passed != len(all) {
			t.Fatalf("%d bytes of %d were passed on", passed, len(all))
		}
	})
}
