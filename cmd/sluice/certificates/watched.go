package certificates

import (
	"crypto/sha256"
	"encoding/binary"
)

// watched is a value that is loaded from files, and loaded again when they change.
type watched[T any] struct {
	files []string
	parse func(contents [][]byte) (T, error)

	value   T
	inForce [sha256.Size]byte // what value was loaded from
	failed  [sha256.Size]byte // what could not be loaded at the last look
	fault   error             // why not; nil if value is what the files contain
	told    bool              // of fault
}

// outcome is what a look at the files has found.
type outcome int

const (
	same    outcome = iota // nothing new
	changed                // there is a new value
	broken                 // the files cannot be loaded, which has not been told before
)

// load is the first look, which must succeed.
func (w *watched[T]) load() error {
	w.look()
	return w.fault
}

// look loads the files if they have changed. Files are replaced one after the other,
// so that for a moment a key may not be that of the certificate: files that cannot be
// loaded are told at the second look that finds them so.
func (w *watched[T]) look() outcome {
	contents, err := read(w.files)
	sum := sumOf(contents, err)
	switch {
	case err == nil && sum == w.inForce:
		w.forget()
		return same
	case w.fault != nil && sum == w.failed:
		if w.told {
			return same
		}
		w.told = true
		return broken
	}
	var value T
	if err == nil {
		value, err = w.parse(contents)
	}
	if err != nil {
		w.failed, w.fault, w.told = sum, err, false
		return same
	}
	w.forget()
	w.value, w.inForce = value, sum
	return changed
}

func (w *watched[T]) forget() { w.failed, w.fault, w.told = [sha256.Size]byte{}, nil, false }

// problem returns the fault that has been told, if it still exists.
func (w *watched[T]) problem() error {
	if w.told {
		return w.fault
	}
	return nil
}

// sumOf tells contents apart, or the reasons why they cannot be read.
func sumOf(contents [][]byte, err error) (sum [sha256.Size]byte) {
	h := sha256.New()
	if err != nil {
		h.Write([]byte(err.Error()))
	}
	for _, content := range contents {
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(content))))
		h.Write(content)
	}
	h.Sum(sum[:0])
	return sum
}
