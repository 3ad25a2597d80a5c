package schema

import (
	"bytes"
	"hash/maphash"
)

// equal reports whether an item equals one of another document: numbers by their values,
// strings by what they say, objects whatever the order of their members.
func (r *run) equal(at int32, to *tape, other int32) bool {
	a, b := &r.items[at], &to.items[other]
	if !r.spend(1) || a.kind != b.kind || a.count != b.count {
		return false
	}
	switch a.kind {
	case kindString:
		r.spend(int(a.to-a.from) / 64)
		return bytes.Equal(r.content(at), to.content(other))
	case kindNumber:
		if bytes.Equal(r.text(at), to.text(other)) {
			return true
		}
		r.number(&r.first, at)
		r.other.Set(to.text(other))
		return r.first.compare(&r.other) == 0
	case kindArray:
		return r.equalElements(at, to, other)
	case kindObject:
		return r.equalMembers(at, to, other)
	}
	return bytes.Equal(r.text(at), to.text(other))
}

func (r *run) equalElements(at int32, to *tape, other int32) bool {
	b := other + 1
	for a, end := at+1, r.items[at].next; a < end; a = r.items[a].next {
		if !r.equal(a, to, b) {
			return false
		}
		b = to.items[b].next
	}
	return true
}

// equalMembers finds each member in the other object, which has as many.
func (r *run) equalMembers(at int32, to *tape, other int32) bool {
	for a, end := at+1, r.items[at].next; a < end; a = r.items[a].next {
		b := to.find(other, r.name(a))
		if !r.spend(1+int(r.items[at].count)/8) || b < 0 || !r.equal(a, to, b) {
			return false
		}
	}
	return true
}

// find returns the member of an object, -1 for none.
func (t *tape) find(at int32, name []byte) int32 {
	for child, end := at+1, t.items[at].next; child < end; child = t.items[child].next {
		if bytes.Equal(t.name(child), name) {
			return child
		}
	}
	return -1
}

// seed makes hashes that nobody outside can foresee.
var seed = maphash.MakeSeed()

// hash returns a hash that equal items have in common.
func (r *run) hash(at int32) uint64 {
	one := &r.items[at]
	if !r.spend(1 + int(max(0, one.to-one.from))/64) {
		return 0
	}
	switch one.kind {
	case kindString:
		return mix(uint64(kindString), maphash.Bytes(seed, r.content(at)))
	case kindNumber:
		r.number(&r.first, at)
		sum := maphash.Bytes(seed, r.first.Digits)
		return mix(uint64(kindNumber)+uint64(1+r.first.sign())<<8, mix(uint64(r.first.Exponent), sum))
	case kindArray:
		sum := uint64(kindArray)
		for child, end := at+1, one.next; child < end; child = r.items[child].next {
			sum = mix(sum, r.hash(child))
		}
		return sum
	case kindObject:
		sum := uint64(kindObject)
		for child, end := at+1, one.next; child < end; child = r.items[child].next {
			sum += mix(maphash.Bytes(seed, r.name(child)), r.hash(child)) // in any order
		}
		return mix(uint64(kindObject), sum)
	}
	return mix(uint64(one.kind), maphash.Bytes(seed, r.text(at)))
}

func mix(a, b uint64) uint64 { return maphash.Comparable(seed, [2]uint64{a, b}) }
