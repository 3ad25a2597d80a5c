package redact

import (
	"bytes"
	"strconv"
	"sync"

	"sluice/hub/jsonscan"
)

const (
	// masked is what stands in place of a masked value.
	masked = `"***"`
	// withheld is what stands in place of a value that is removed as a whole, or in
	// which the fields cannot be found.
	withheld = `null,"redacted":true`
	// tombstone is what an event without a value has in its place.
	tombstone = `null,"tombstone":true`
)

// Append appends what remains of an event, which package event has encoded: the text up
// to the headers is the same. A redaction that is nil leaves all of it.
func (r *Redaction) Append(dst, event []byte) []byte {
	if r == nil {
		return append(dst, event...)
	}
	w := writers.Get().(*writer)
	defer writers.Put(w)
	kept := 0 // what lies before was appended, or left out
	for i := 1; ; {
		name, at, ok := jsonscan.NextMember(event, i)
		if !ok {
			break
		}
		before := i // where the comma before the member is
		switch {
		case string(name) == `"headers"` && !r.tree.headers.empty():
			dst = append(dst, event[kept:before]...)
			dst, i = w.headers(dst, event, before, at, &r.tree.headers)
			kept = i
		case string(name) == `"undecrypted"`:
			dst = append(dst, event[kept:before]...)
			dst, i = r.undecrypted(dst, event, before, at)
			kept = i
		case string(name) == `"data"` && r.opaque && at < len(event):
			whole := r.tree.data.action
			switch {
			case whole != keep && bytes.HasPrefix(event[at:], []byte(tombstone)):
				i = jsonscan.EndOfValue(event, at)
			case whole == mask:
				dst = append(append(dst, event[kept:at]...), masked...)
				return append(dst, '}')
			case whole == remove || event[at] == '"':
				dst = append(append(dst, event[kept:at]...), withheld...)
				// The members behind tell how the value was shown.
				return append(dst, '}')
			case event[at] == '{', event[at] == '[':
				dst = append(dst, event[kept:at]...)
				w.nodes = append(w.nodes[:0], &r.tree.data)
				dst, i = w.value(dst, event, at, 0)
				kept = i
			default:
				i = jsonscan.EndOfValue(event, at)
			}
		default:
			i = jsonscan.EndOfValue(event, at)
		}
	}
	return append(dst, event[kept:]...)
}

// undecrypted appends the paths of what could not be decrypted that are not hidden, if
// any, as a member of the event, which begins before its value at i. It returns where the
// value ends.
func (r *Redaction) undecrypted(dst, b []byte, before, i int) (out []byte, end int) {
	undo, some := len(dst), false
	dst = append(append(dst, b[before:i]...), '[')
	for i++; ; {
		at, ok := jsonscan.NextElement(b, i)
		if !ok {
			i = at
			break
		}
		i = jsonscan.EndOfValue(b, at)
		text, _ := jsonscan.Unquote(b[at:i])
		p, err := parsePath(text)
		if err != nil || r.tree.root(p).implies(p.segments, mask, false) {
			continue
		}
		if some {
			dst = append(dst, ',')
		}
		some = true
		dst = append(dst, b[at:i]...)
	}
	if !some {
		return dst[:undo], i
	}
	return append(dst, ']'), i
}

// Replace appends what stands in place of a value, which is JSON, at a path, by its
// number. What it appends must be JSON too.
type Replace func(dst, value []byte, at int) []byte

// writer is the memory that is used to rewrite an event or a value.
type writer struct {
	// with replaces values, of Places.
	with Replace
	// replaced is set once a value has been replaced.
	replaced bool
	// nodes are those that lead to paths below the value that is being written, after
	// those of the values that contain it.
	nodes []*node
	index []byte
}

var writers = sync.Pool{New: func() any { return new(writer) }}

// headers appends the headers that remain, if any, as a member of the event, which begins
// before its value at i. It returns where the value ends.
func (w *writer) headers(dst, b []byte, before, i int, of *node) (out []byte, end int) {
	undo, some := len(dst), false
	dst = append(append(dst, b[before:i]...), '[')
	for i++; ; {
		at, ok := jsonscan.NextElement(b, i)
		if !ok {
			i = at
			break
		}
		i = jsonscan.EndOfValue(b, at)
		name := b[at:i]
		for name = range jsonscan.Elements(b[at:i]) {
			break
		}
		done := w.enter(name, of)
		w.nodes = w.nodes[:0]
		if done == remove {
			continue
		}
		if some {
			dst = append(dst, ',')
		}
		some = true
		if done == mask {
			dst = append(append(append(dst, '['), name...), ","+masked+"]"...)
		} else {
			dst = append(dst, b[at:i]...)
		}
	}
	if !some {
		return dst[:undo], i
	}
	return append(dst, ']'), i
}

// value appends what remains of the value that begins at i, to which the nodes from the
// first on belong, and returns where the value ends. It recurses no deeper than the
// longest path.
func (w *writer) value(dst, b []byte, i, first int) (out []byte, end int) {
	if i < len(b) && first < len(w.nodes) {
		switch b[i] {
		case '{':
			return w.object(dst, b, i, first)
		case '[':
			return w.array(dst, b, i, first)
		}
	}
	end = jsonscan.EndOfValue(b, i)
	return append(dst, b[i:end]...), end
}

func (w *writer) object(dst, b []byte, i, first int) (out []byte, end int) {
	after := len(w.nodes)
	dst = append(dst, '{')
	some := false
	for i++; ; {
		name, at, ok := jsonscan.NextMember(b, i)
		if !ok {
			return append(dst, '}'), at
		}
		done := w.enter(name, w.nodes[first:after]...)
		if done == remove {
			i = jsonscan.EndOfValue(b, at)
			w.nodes = w.nodes[:after]
			continue
		}
		if some {
			dst = append(dst, ',')
		}
		some = true
		dst = append(append(dst, name...), ':')
		dst, i = w.member(dst, b, at, after, done)
	}
}

func (w *writer) array(dst, b []byte, i, first int) (out []byte, end int) {
	after := len(w.nodes)
	dst = append(dst, '[')
	some := false
	i++
	for index := 0; ; index++ {
		at, ok := jsonscan.NextElement(b, i)
		if !ok {
			return append(dst, ']'), at
		}
		w.index = strconv.AppendInt(append(w.index[:0], '"'), int64(index), 10)
		done := w.enter(append(w.index, '"'), w.nodes[first:after]...)
		if done == remove {
			i = jsonscan.EndOfValue(b, at)
			w.nodes = w.nodes[:after]
			continue
		}
		if some {
			dst = append(dst, ',')
		}
		some = true
		dst, i = w.member(dst, b, at, after, done)
	}
}

// member appends what remains of a value in an object or an array, if it is not removed.
func (w *writer) member(dst, b []byte, i, after int, done action) (out []byte, end int) {
	switch {
	case done >= replace:
		end = jsonscan.EndOfValue(b, i)
		dst, w.replaced = w.with(dst, b[i:end], int(done-replace)), true
	case done == mask:
		dst, end = append(dst, masked...), jsonscan.EndOfValue(b, i)
	default:
		dst, end = w.value(dst, b, i, after)
	}
	w.nodes = w.nodes[:after]
	return dst, end
}

// enter adds the nodes that lead on from some nodes by a name, which is a JSON string, and
// returns what is done with the value.
func (w *writer) enter(raw []byte, from ...*node) action {
	done := keep
	for _, n := range from {
		if m := n.named(raw); m != nil {
			done = max(done, m.action)
			w.nodes = append(w.nodes, m)
		}
		if n.any != nil {
			done = max(done, n.any.action)
			w.nodes = append(w.nodes, n.any)
		}
	}
	return done
}

// named returns the node of a name, nil if there is none.
func (n *node) named(raw []byte) *node {
	if len(n.members) == 0 || len(raw) < 2 {
		return nil
	}
	content := raw[1 : len(raw)-1]
	if bytes.IndexByte(content, '\\') < 0 {
		return n.members[string(content)] // which does not allocate
	}
	if name, ok := jsonscan.Unquote(raw); ok {
		return n.members[name]
	}
	return nil
}
