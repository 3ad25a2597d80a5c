package avro

import "math"

// AppendJSON appends a value as JSON of at most so many bytes.
func (s *Schema) AppendJSON(dst, value []byte, most int) ([]byte, error) {
	d := decoder{in: value, out: dst, end: len(dst) + most}
	if err := d.value(s.root, 0); err != nil {
		return dst, err
	}
	if len(d.in) > 0 {
		return dst, errTrailing
	}
	if len(d.out) > d.end {
		return dst, ErrTooLarge
	}
	return d.out, nil
}

// value decodes a value. Each makes at least a byte of JSON, so that the number of values is
// bounded by it.
func (d *decoder) value(n *node, depth int) error {
	switch {
	case len(d.out) > d.end:
		return ErrTooLarge
	case depth > maxDepth:
		return errDeep
	}
	switch n.kind {
	case kindArray:
		return d.blocks('[', ']', func() error { return d.value(n.of[0], depth+1) })
	case kindMap:
		return d.blocks('{', '}', func() error {
			if err := d.text(); err != nil {
				return err
			}
			d.out = append(d.out, ':')
			return d.value(n.of[0], depth+1)
		})
	case kindRecord:
		return d.record(n, depth)
	case kindUnion:
		i, err := d.long()
		if err != nil {
			return err
		}
		if i < 0 || i >= int64(len(n.of)) {
			return errBranch
		}
		return d.value(n.of[i], depth+1)
	}
	return d.scalar(n)
}

func (d *decoder) record(n *node, depth int) error {
	d.out = append(d.out, '{')
	for i, field := range n.of {
		if i > 0 {
			d.out = append(d.out, ',')
		}
		d.out = append(d.out, n.names[i]...)
		if err := d.value(field, depth+1); err != nil {
			return err
		}
	}
	d.out = append(d.out, '}')
	return nil
}

// blocks decodes the blocks of an array or a map. A negative count is followed by the number
// of bytes of its block, which is not needed.
func (d *decoder) blocks(begin, end byte, item func() error) error {
	d.out = append(d.out, begin)
	for first := true; ; {
		count, err := d.long()
		switch {
		case err != nil:
			return err
		case count == 0:
			d.out = append(d.out, end)
			return nil
		case count == math.MinInt64:
			return errCount
		case count < 0:
			size, err := d.long()
			if err != nil {
				return err
			}
			if size < 0 || size > int64(len(d.in)) {
				return errCount
			}
			count = -count
		}
		for ; count > 0; count-- {
			if !first {
				d.out = append(d.out, ',')
			}
			first = false
			if err := item(); err != nil {
				return err
			}
		}
	}
}
