package avro

import (
	"encoding/binary"
	"encoding/hex"
	"math"
	"math/big"
	"strconv"
	"strings"
)

// scalar decodes a value that has no others in it.
func (d *decoder) scalar(n *node) error {
	switch n.kind {
	case kindNull:
		d.out = append(d.out, "null"...)
		return nil
	case kindBoolean:
		return d.boolean()
	case kindInt, kindLong:
		return d.integer(n.kind)
	case kindFloat, kindDouble:
		return d.float(n.kind)
	case kindString:
		return d.text()
	case kindEnum:
		i, err := d.long()
		if err != nil {
			return err
		}
		if i < 0 || i >= int64(len(n.symbols)) {
			return errBranch
		}
		d.out = append(d.out, n.symbols[i]...)
		return nil
	case kindFixed:
		b, err := d.take(int64(n.size))
		if err != nil {
			return err
		}
		return d.bytes(n, b)
	}
	b, err := d.sized()
	if err != nil {
		return err
	}
	return d.bytes(n, b)
}

func (d *decoder) boolean() error {
	b, err := d.take(1)
	switch {
	case err != nil:
		return err
	case b[0] > 1:
		return errBoolean
	}
	d.out = strconv.AppendBool(d.out, b[0] == 1)
	return nil
}

func (d *decoder) integer(k kind) error {
	v, err := d.long()
	switch {
	case err != nil:
		return err
	case k == kindInt && (v < math.MinInt32 || v > math.MaxInt32):
		return errNumber
	}
	d.out = strconv.AppendInt(d.out, v, 10)
	return nil
}

func (d *decoder) float(k kind) error {
	size, bits := int64(8), 64
	if k == kindFloat {
		size, bits = 4, 32
	}
	b, err := d.take(size)
	if err != nil {
		return err
	}
	var f float64
	if k == kindFloat {
		f = float64(math.Float32frombits(binary.LittleEndian.Uint32(b)))
	} else {
		f = math.Float64frombits(binary.LittleEndian.Uint64(b))
	}
	switch {
	case math.IsNaN(f):
		d.out = append(d.out, `"NaN"`...)
	case math.IsInf(f, 1):
		d.out = append(d.out, `"Infinity"`...)
	case math.IsInf(f, -1):
		d.out = append(d.out, `"-Infinity"`...)
	default:
		d.out = strconv.AppendFloat(d.out, f, 'g', -1, bits)
	}
	return nil
}

// bytes shows bytes by their logical type.
func (d *decoder) bytes(n *node, b []byte) error {
	switch {
	case n.decimal:
		return d.decimal(n.scale, b)
	case n.uuid:
		d.out = append(d.out, '"')
		for i, end := range [...]int{4, 6, 8, 10, 16} {
			if i > 0 {
				d.out = append(d.out, '-')
			}
			from := [...]int{0, 4, 6, 8, 10}[i]
			d.out = hex.AppendEncode(d.out, b[from:end])
		}
		d.out = append(d.out, '"')
		return nil
	case len(d.out)+len(b) > d.end:
		return ErrTooLarge
	}
	d.out = append(d.out, '"')
	for _, c := range b {
		if len(d.out) > d.end {
			return ErrTooLarge
		}
		if c >= ' ' && c <= '~' && c != '"' && c != '\\' {
			d.out = append(d.out, c)
			continue
		}
		d.out = append(d.out, `\u00`...)
		d.out = hex.AppendEncode(d.out, []byte{c})
	}
	d.out = append(d.out, '"')
	return nil
}

// decimal shows a number in two's complement, big-endian, with digits after the point.
func (d *decoder) decimal(scale int, b []byte) error {
	if len(b) == 0 || len(b) > maxDecimal {
		return errCount
	}
	var number big.Int
	number.SetBytes(b)
	if b[0]&0x80 != 0 {
		number.Sub(&number, new(big.Int).Lsh(big.NewInt(1), uint(8*len(b))))
		d.out = append(d.out, '-')
		number.Neg(&number)
	}
	digits := number.String()
	if missing := scale + 1 - len(digits); missing > 0 {
		digits = strings.Repeat("0", missing) + digits
	}
	d.out = append(d.out, digits[:len(digits)-scale]...)
	if scale > 0 {
		d.out = append(d.out, '.')
		d.out = append(d.out, digits[len(digits)-scale:]...)
	}
	return nil
}
