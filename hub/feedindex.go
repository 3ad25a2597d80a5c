package hub

import (
	"math"

	"sluice/hub/filter"
)

// textIndex finds the feeds whose filters have a text: that of a key, as in events, or
// of a field's value.
type textIndex map[string][]*Feed

// add adds a feed under each text of the set by which it is indexed.
func (x textIndex) add(f *Feed) {
	f.places = make([]int, f.texts())
	for i := range f.places {
		text := f.text(i)
		f.places[i] = len(x[text])
		x[text] = append(x[text], f)
	}
}

func (x textIndex) remove(f *Feed) {
	for i, at := range f.places {
		text := f.text(i)
		others := x[text]
		end := len(others) - 1
		if end == 0 {
			delete(x, text)
			continue
		}
		moved := others[end]
		moved.places[moved.textIndex(text)] = at
		others[at], others[end] = moved, nil
		x[text] = others[:end]
	}
}

// most returns how many feeds there are with one of n texts, for that text which most
// feeds have.
func (x textIndex) most(n int, text func(i int) string) int {
	most := 0
	for i := range n {
		most = max(most, len(x[text(i)]))
	}
	return most
}

// What a feed is indexed by, if not by a field set, whose index it is.
const (
	byKeys    = -1
	byNothing = -2
)

// texts returns the number of texts by which the feed is indexed.
func (f *Feed) texts() int {
	if f.by == byKeys {
		return f.filter.Keys()
	}
	return f.filter.FieldSets()[f.by].Len()
}

// text returns text i.
func (f *Feed) text(i int) string {
	if f.by == byKeys {
		return f.filter.Key(i)
	}
	return f.filter.FieldSets()[f.by].Value(i)
}

// textIndex returns the index of a text, which must be one of them.
func (f *Feed) textIndex(text string) int {
	if f.by == byKeys {
		return f.filter.Index(text)
	}
	return f.filter.FieldSets()[f.by].Index(text)
}

// feedIndex finds the feeds of which a record may be a match. What it costs to look a
// record up does not depend on the number of feeds, nor on the number of fields that
// their filters use.
type feedIndex struct {
	keyed  textIndex                // the feeds that are indexed by their keys
	fields filter.Fields[textIndex] // those that are indexed by a field's values
	open   []*Feed                  // those whose filters have predicates only
}

func newFeedIndex() feedIndex { return feedIndex{keyed: make(textIndex)} }

func (x *feedIndex) add(f *Feed) {
	switch f.by = x.choose(&f.filter); f.by {
	case byKeys:
		x.keyed.add(f)
	case byNothing:
		f.places = []int{len(x.open)}
		x.open = append(x.open, f)
	default:
		values := x.fields.Add(f.filter.FieldSets()[f.by].Field())
		if *values == nil {
			*values = make(textIndex)
		}
		values.add(f)
	}
}

// choose returns what a feed is to be indexed by: of the filter's keys and its field
// sets, the one that shares a value with the fewest other feeds. Filters of which one
// part is the same, such as a tenant's, are so found by the part that differs.
func (x *feedIndex) choose(which *filter.Filter) int32 {
	by, least := int32(byNothing), math.MaxInt
	if n := which.Keys(); n > 0 {
		by, least = byKeys, x.keyed.most(n, which.Key)
	}
	sets := which.FieldSets()
	for k := range sets {
		most := 0
		if values := x.fields.Get(sets[k].Field()); values != nil {
			most = values.most(sets[k].Len(), sets[k].Value)
		}
		if most < least {
			by, least = int32(k), most
		}
	}
	return by
}

func (x *feedIndex) remove(f *Feed) {
	switch f.by {
	case byKeys:
		x.keyed.remove(f)
	case byNothing:
		end := len(x.open) - 1
		moved := x.open[end]
		x.open[f.places[0]], moved.places[0] = moved, f.places[0]
		x.open[end] = nil
		x.open = x.open[:end]
	default:
		field := f.filter.FieldSets()[f.by].Field()
		values := x.fields.Get(field)
		values.remove(f)
		if len(*values) == 0 {
			x.fields.Remove(field)
		}
	}
}

// find appends to dst the feeds of which record i of a chunk may be a match: they have
// its key, or one of its fields' values, or their filters have predicates only.
func (x *feedIndex) find(dst []*Feed, c *chunk, i int, view *filter.View) []*Feed {
	if e := c.at(i); e.keyEnd > 0 && len(x.keyed) > 0 {
		dst = append(dst, x.keyed[string(c.body(i)[e.keyStart:e.keyEnd])]...)
	}
	for values, text := range x.fields.All(view.At(c, i)) {
		dst = append(dst, (*values)[string(text)]...)
	}
	return append(dst, x.open...)
}
