package protobuf

import "encoding/binary"

// appendIndexes appends the message indexes of a path: their number and each of them, as zigzag
// varints. Those of the first message are the byte 0 alone.
func appendIndexes(dst []byte, path []int) []byte {
	if len(path) == 1 && path[0] == 0 {
		return append(dst, 0)
	}
	dst = binary.AppendVarint(dst, int64(len(path)))
	for _, i := range path {
		dst = binary.AppendVarint(dst, int64(i))
	}
	return dst
}

// addressed returns the message whose indexes a value begins with, and what follows them.
func (s *Schema) addressed(value []byte) (*message, []byte, error) {
	n, size := binary.Varint(value)
	if size <= 0 || n < 0 {
		return nil, nil, errIndexes
	}
	value = value[size:]
	if n == 0 {
		return s.tops[0], value, nil
	}
	var m *message
	for list := s.tops; n > 0; n-- {
		i, size := binary.Varint(value)
		if size <= 0 || i < 0 || i >= int64(len(list)) {
			return nil, nil, errIndexes
		}
		value, m = value[size:], list[i]
		list = m.nested
	}
	return m, value, nil
}
