package hub

import (
	"math"

	"sluice/hub/event"
	"sluice/hub/redact"
)

const (
	// maxShadows bounds the number of redactions for which what remains of a chunk is
	// kept.
	maxShadows = 16
	// redactAtOnce is roughly how much is redacted before other subscriptions have
	// their turn.
	redactAtOnce = 64 << 10
)

// under returns the chunk under a redaction, nil if it has too many others. What remains
// of a record is made once for all subscriptions with equal redactions.
func (c *chunk) under(by *redact.Redaction) *shown {
	if v := c.shadows.find(by); v != nil {
		return v
	}
	s := &c.shadows
	s.mu.Lock()
	defer s.mu.Unlock()
	if v := s.find(by); v != nil {
		return v
	}
	var all []*shown
	if was := s.all.Load(); was != nil {
		all = *was
	}
	if len(all) == maxShadows {
		return nil
	}
	v := &shown{of: c, under: by, serial: serials.Add(1)}
	all = append(all[:len(all):len(all)], v)
	s.all.Store(&all)
	return v
}

func (s *shadows) find(by *redact.Redaction) *shown {
	if all := s.all.Load(); all != nil {
		for _, v := range *all {
			if v.under == by || v.under.Equal(by) {
				return v
			}
		}
	}
	return nil
}

// body returns the body of readable entry i as it is shown.
func (v *shown) body(i int) []byte {
	if v.under == nil {
		return v.of.body(i)
	}
	return v.redacted(i+1).slice(i, i+1)
}

// redacted returns what remains of at least the first n bodies.
func (v *shown) redacted(n int) *framed {
	add := func(dst []byte, i int) []byte { return v.of.appendRemains(dst, v.under, i) }
	return v.bodies.upTo(v.of, n, add, redactAtOnce)
}

// appendRemains appends what remains of the body of an entry.
func (c *chunk) appendRemains(dst []byte, under *redact.Redaction, i int) []byte {
	if c.at(i).kind != entryRecord {
		return append(dst, c.body(i)...)
	}
	return under.Append(dst, c.body(i))
}

// ready returns up to which entry, at most n, entries from i on can be shown without much
// work. If that is none, the next calls make more of them ready.
func (v *shown) ready(i, n int) int {
	if v.under == nil {
		return n
	}
	done := v.bodies.done.Load()
	if done == nil || len(done.ends) < n {
		next := 1
		if done != nil {
			next += len(done.ends)
		}
		done = v.redacted(next)
	}
	return max(i, min(n, len(done.ends)))
}

// framed returns the chunk in a format, laid out for at least n entries. The layout
// is made once for all subscriptions, by the first that asks.
func (v *shown) framed(f event.Format, n int) *framed {
	fr := &v.formats[f.Slot()]
	if done := fr.done.Load(); done != nil && len(done.ends) >= n {
		return done
	}
	atOnce := math.MaxInt
	if v.under != nil {
		atOnce = 0 // of bodies that may have to be made first
	}
	return fr.upTo(v.of, n, func(dst []byte, i int) []byte { return v.appendFramed(dst, f, i) }, atOnce)
}

// upTo returns the layout of at least n entries of a chunk, which are added by a function:
// as many as there are, or until about a number of bytes were added.
func (fr *framing) upTo(c *chunk, n int, add func(dst []byte, i int) []byte, atOnce int) *framed {
	if done := fr.done.Load(); done != nil && len(done.ends) >= n {
		return done
	}
	fr.mu.Lock()
	defer fr.mu.Unlock()
	var next framed
	if done := fr.done.Load(); done != nil {
		if len(done.ends) >= n {
			return done
		}
		next = *done
	} else {
		next.bytes = make([]byte, 0, len(c.bodies)+8*len(c.entries))
		next.ends = make([]uint32, 0, len(c.entries))
	}
	// Readers of an older state look only at the bytes within its length, so its
	// memory can be appended to.
	began := len(next.bytes)
	for i, all := len(next.ends), c.len(); i < all && (i < n || len(next.bytes)-began < atOnce); i++ {
		next.bytes = add(next.bytes, i)
		next.ends = append(next.ends, uint32(len(next.bytes)))
	}
	fr.done.Store(&next)
	return &next
}

// appendFramed lays out one entry.
func (v *shown) appendFramed(dst []byte, f event.Format, i int) []byte {
	switch v.of.at(i).kind {
	case entryRecord:
		return f.AppendEvent(dst, v.body(i))
	case entryGap:
		return f.AppendGap(dst, v.body(i))
	default:
		return dst
	}
}

// slice returns the framed bytes of entries i to j.
func (f *framed) slice(i, j int) []byte {
	end := f.ends[j-1]
	return f.bytes[f.start(i):end:end]
}

// start returns where entry i begins.
func (f *framed) start(i int) uint32 {
	if i == 0 {
		return 0
	}
	return f.ends[i-1]
}
