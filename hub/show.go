package hub

// showAlone bounds how many entries are redacted at once for a single subscription, if
// what remains of them is not kept.
const showAlone = 64

// show returns entries i to n of a chunk as the subscription is shown them: entries at to
// upTo of v. They may be fewer, or none as yet.
func (s *Subscription) show(c *chunk, i, n int) (v *shown, at, upTo int) {
	if s.redaction == nil {
		return &c.whole, i, n
	}
	if v = c.under(s.redaction); v != nil {
		return v, i, v.ready(i, n)
	}
	var d chunkBuilder
	for k := i; k < min(n, i+showAlone); k++ {
		d.bodies = c.appendRemains(d.bodies, s.redaction, k)
		d.add(*c.at(k))
	}
	return &d.chunk(c.start).whole, 0, len(d.entries)
}
