package redact

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Redaction is what is removed from events and masked in them.
type Redaction struct {
	paths []redacted // sorted by their texts
	tree  tree
	// opaque is set if values are withheld in which fields cannot be found.
	opaque bool
	// canonical identifies the redaction.
	canonical string
}

// redacted is a path, and what is done with the values there.
type redacted struct {
	path   path
	action action
	text   string
}

// New returns the redaction that removes the values at some paths and masks those at
// others: together at most MaxPaths, each once. Without paths it returns nil.
func New(removed, masked []string) (*Redaction, error) {
	if len(removed)+len(masked) > MaxPaths {
		return nil, fmt.Errorf("there are more than %d paths", MaxPaths)
	}
	var all []redacted
	seen := make(map[string]bool)
	for i, text := range slices.Concat(removed, masked) {
		p, err := parsePath(text)
		if err != nil {
			return nil, err
		}
		one := redacted{path: p, action: remove, text: p.String()}
		if i >= len(removed) {
			one.action = mask
		}
		if seen[one.text] {
			return nil, fmt.Errorf("the path %q is there twice", text)
		}
		seen[one.text] = true
		all = append(all, one)
	}
	return redactionOf(all, slices.ContainsFunc(all, func(one redacted) bool { return !one.path.header })), nil
}

// maxCombined bounds the paths of a redaction that is made of others.
const maxCombined = 1024

// ErrTooManyPaths means that the combination of redactions has too many paths.
var ErrTooManyPaths = errors.New("the combination of redactions has too many paths")

// redactionOf makes a redaction of paths, of which some may be the same, or have no
// effect because of others.
func redactionOf(all []redacted, opaque bool) *Redaction {
	var whole tree
	for _, one := range all {
		whole.add(one.path, one.action)
	}
	slices.SortFunc(all, func(a, b redacted) int {
		return cmp.Or(strings.Compare(a.text, b.text), cmp.Compare(b.action, a.action))
	})
	// Of equal paths the first has the action that hides most.
	all = slices.CompactFunc(all, func(a, b redacted) bool { return a.text == b.text })
	all = slices.DeleteFunc(all, func(one redacted) bool {
		return whole.root(one.path).implies(one.path.segments, one.action, true)
	})
	if len(all) == 0 && !opaque {
		return nil
	}
	r := &Redaction{paths: all, opaque: opaque}
	canonical := strconv.AppendBool(nil, opaque)
	for _, one := range all {
		r.tree.add(one.path, one.action)
		canonical = append(canonical, "-*"[remove-one.action])
		canonical = strconv.AppendInt(canonical, int64(len(one.text)), 10)
		canonical = append(canonical, ' ')
		canonical = append(canonical, one.text...)
	}
	r.canonical = string(canonical)
	return r
}

// Canonical returns the text that identifies the redaction, empty for nil.
func (r *Redaction) Canonical() string {
	if r == nil {
		return ""
	}
	return r.canonical
}

// Equal reports whether two redactions are the same.
func (r *Redaction) Equal(other *Redaction) bool { return r.Canonical() == other.Canonical() }

// TouchesHeader reports whether headers with a name are redacted.
func (r *Redaction) TouchesHeader(name string) bool {
	return r != nil && !r.tree.headers.empty() && r.tree.headers.touches([]string{name})
}

// TouchesData reports whether the redaction can change what is read at a path of names in
// the values of records: a member of it, of its members, or of what contains it. Without
// names it is the whole value.
func (r *Redaction) TouchesData(names ...string) bool {
	return r != nil && (r.opaque && len(names) == 0 || !r.tree.data.empty() && r.tree.data.touches(names))
}
