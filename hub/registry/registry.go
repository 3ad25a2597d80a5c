package registry

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// firstRetry is the wait after the first failure.
const firstRetry = time.Second

// Registry is a schema registry. All methods are safe for concurrent use, but for Start and
// Run.
type Registry struct {
	settings atomic.Pointer[settings]
	requests requests
	changed  chan struct{} // has room for one
	renewed  atomic.Bool   // the settings are others since the last round

	// Owned by Start, then Run.
	wait, retry time.Duration

	// Owned by the goroutine that asks for ids.
	noted time.Time

	ids *ids

	sources, decodings sync.Map // those that were made

	mu       sync.Mutex
	subjects map[key]*Subject
}

// key is a subject in a version, or in the latest, whose schema is of a kind, for values of a type.
type key struct {
	subject string
	version int
	kind    Kind
	record  string
}

// New returns a registry, which is not asked for anything yet.
func New(c Config) (*Registry, error) {
	r := &Registry{changed: make(chan struct{}, 1), retry: firstRetry, ids: newIDs(c.Bounds), subjects: map[key]*Subject{}}
	made, err := newSettings(c, &r.requests)
	if err != nil {
		return nil, fmt.Errorf("new registry: %w", err)
	}
	r.settings.Store(made)
	return r, nil
}

// Subject returns a subject in a version, 0 for the latest, which is followed from now on,
// until Keep is called without it. A schema of another kind does not come into force.
func (r *Registry) Subject(name string, version int, kind Kind) *Subject {
	return r.SubjectOf(name, version, kind, "")
}

// SubjectOf is Subject for values of one of the types that a schema has, by its full name. That
// is a message of a schema of Protobuf, of which the first is taken for no name; other schemas
// have one type only.
func (r *Registry) SubjectOf(name string, version int, kind Kind, record string) *Subject {
	version = cmp.Or(version, latest)
	r.mu.Lock()
	defer r.mu.Unlock()
	at := key{name, version, kind, record}
	s := r.subjects[at]
	if s == nil {
		s = &Subject{name: name, version: version, kind: kind, record: record}
		r.subjects[at] = s
		r.wake()
	}
	return s
}

// wake begins the next round.
func (r *Registry) wake() {
	select {
	case r.changed <- struct{}{}:
	default:
	}
}

// Keep ends the following of all subjects but those.
func (r *Registry) Keep(subjects []*Subject) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for at, s := range r.subjects {
		if !slices.Contains(subjects, s) {
			delete(r.subjects, at)
		}
	}
}

// followed returns the subjects that are followed, by name and version.
func (r *Registry) followed() []*Subject {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := make([]*Subject, 0, len(r.subjects))
	for _, s := range r.subjects {
		list = append(list, s)
	}
	slices.SortFunc(list, func(a, b *Subject) int {
		return cmp.Or(cmp.Compare(a.name, b.name), cmp.Compare(a.version, b.version), cmp.Compare(a.kind, b.kind), cmp.Compare(a.record, b.record))
	})
	return list
}

// Check returns what is wrong with a subject for which the last request has failed, or which
// was not asked for yet; nil if all is well.
func (r *Registry) Check(context.Context) error {
	for _, s := range r.followed() {
		switch err := s.error(); {
		case err != nil && s.current.Load() == nil:
			return fmt.Errorf("subject %q has no schema: values cannot be published: %w", s.name, err)
		case err != nil:
			return fmt.Errorf("subject %q keeps the schema that it has: %w", s.name, err)
		case s.current.Load() == nil:
			return fmt.Errorf("subject %q has no schema yet", s.name)
		}
	}
	if _, _, n := r.ids.count(); n > 0 {
		return fmt.Errorf("%d schemas of values are not known yet", n)
	}
	return nil
}

// Stats returns what is counted.
func (r *Registry) Stats() Stats {
	var now Stats
	for i := range now.Requests {
		now.Requests[i] = r.requests[i].Load()
	}
	now.Known, now.Unusable, now.Awaited = r.ids.count()
	for _, s := range r.followed() {
		switch {
		case s.current.Load() == nil:
			now.Unknown++
		case s.error() != nil:
			now.Stale++
		default:
			now.Current++
		}
	}
	return now
}
