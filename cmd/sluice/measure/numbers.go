package measure

import "math/bits"

// numbers is a set of small numbers.
type numbers struct {
	words []uint64
	count int64
}

// add adds a number, and reports whether it is new.
func (s *numbers) add(n int64) bool {
	word, bit := int(n/64), uint64(1)<<(n%64)
	for len(s.words) <= word {
		s.words = append(s.words, 0)
	}
	if s.words[word]&bit != 0 {
		return false
	}
	s.words[word] |= bit
	s.count++
	return true
}

// missing returns how many numbers of a set are not in another one.
func (s *numbers) missing(in *numbers) (n int64) {
	for i, word := range s.words {
		if i < len(in.words) {
			word &^= in.words[i]
		}
		n += int64(bits.OnesCount64(word))
	}
	return n
}
