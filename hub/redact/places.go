package redact

import (
	"fmt"

	"sluice/hub/jsonscan"
)

// Places are paths of values that are replaced. No value is at two of them, or below one
// that is at another. It is immutable and safe for concurrent use.
type Places struct {
	paths []path
	tree  tree
}

// OverlapError means that a value could be at two paths, or below one that is at another.
type OverlapError struct{ Path, Other string }

// Error implements error.
func (e *OverlapError) Error() string {
	return fmt.Sprintf("%q and %q can be the same value, or one a part of the other", e.Other, e.Path)
}

// NewPlaces parses paths, at most MaxPaths, of which none overlap: else the error is an
// *OverlapError. headers.* is not among them.
func NewPlaces(texts []string) (*Places, error) {
	if len(texts) > MaxPaths {
		return nil, fmt.Errorf("there are more than %d paths", MaxPaths)
	}
	p := &Places{}
	for i, text := range texts {
		one, err := parsePath(text)
		if err != nil {
			return nil, err
		}
		if one.header && one.segments[0].any {
			return nil, fmt.Errorf("the path %q is not of one header: name each", text)
		}
		for _, other := range p.paths {
			if _, both := within(one, other); both {
				return nil, &OverlapError{Path: text, Other: other.String()}
			}
		}
		p.paths = append(p.paths, one)
		p.tree.add(one, replace+action(i))
	}
	return p, nil
}

// Whole returns the number of the path of the whole value, and reports whether it is
// there.
func (p *Places) Whole() (at int, ok bool) { return p.tree.data.number() }

// Header returns the number of the path of headers with a name, and reports whether there
// is one.
func (p *Places) Header(name []byte) (at int, ok bool) {
	n := p.tree.headers.members[string(name)]
	if n == nil {
		return 0, false
	}
	return n.number()
}

// HasHeaders reports whether there are paths of headers.
func (p *Places) HasHeaders() bool { return !p.tree.headers.empty() }

// HasFields reports whether there are paths into the value.
func (p *Places) HasFields() bool { return p.tree.data.action == keep && !p.tree.data.empty() }

// Depth returns how deep in a value the fields at a path are.
func (p *Places) Depth(at int) int { return len(p.paths[at].segments) }

func (n *node) number() (int, bool) { return int(n.action) - int(replace), n.action >= replace }

// Append appends a value, which is JSON, with others in place of those at the paths into
// it. It reports false if there are none, and dst is unchanged then.
func (p *Places) Append(dst, value []byte, with Replace) (out []byte, some bool) {
	if !p.HasFields() {
		return dst, false
	}
	w := writers.Get().(*writer)
	defer writers.Put(w)
	defer func() { w.with = nil }()
	w.nodes, w.with, w.replaced = append(w.nodes[:0], &p.tree.data), with, false
	undo := len(dst)
	if out, _ = w.value(dst, value, len(value)-len(jsonscan.TrimSpace(value)), 0); !w.replaced {
		return out[:undo], false
	}
	return out, true
}
