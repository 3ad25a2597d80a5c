package registry

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/sr"

	"sluice/hub/ingest"
)

// Subject is a subject of a registry in one of its versions, or in the latest. It is safe
// for concurrent use.
type Subject struct {
	name    string
	version int // or latest
	kind    Kind
	record  string
	current atomic.Pointer[version]

	// Owned by the goroutine of Registry.Run, and before that, of Start.
	asked, due time.Time

	failed atomic.Pointer[error] // why the last request failed, nil if it did not
}

// version is a schema that is in force.
type version struct {
	id         uint32
	number     int
	text       string // with references, as the registry has it
	references []sr.SchemaReference
	schema     Encoder
	// withoutEffect are the places of the schema that have no effect.
	withoutEffect []string
}

// is reports whether a version is that of an answer. A registry that was emptied gives the ids of
// its schemas to others: values encoded by the former one could not be decoded.
func (v *version) is(got sr.SubjectSchema) bool {
	return int(v.id) == got.ID && v.number == got.Version && v.text == got.Schema.Schema && slices.Equal(v.references, got.References)
}

// Definition returns the schema that is in force. Without one, the error is
// ingest.ErrSchemaUnavailable.
func (s *Subject) Definition() (ingest.Definition, error) {
	now := s.current.Load()
	if now == nil {
		return nil, ingest.ErrSchemaUnavailable
	}
	return defined{now.schema, now.id}, nil
}

// defined is a schema that is in force, with its id. It implements ingest.Registered.
type defined struct {
	Encoder
	id uint32
}

// ID returns the id of the schema.
func (d defined) ID() uint32 { return d.id }

// error returns why the last request failed, nil if it did not.
func (s *Subject) error() error {
	if failed := s.failed.Load(); failed != nil {
		return *failed
	}
	return nil
}

// refresh asks for the schema, and puts it in force if it is another one.
func (s *Subject) refresh(ctx context.Context, c *client) (changed bool, err error) {
	defer func() {
		if err == nil {
			s.failed.Store(nil)
		} else {
			s.failed.Store(&err)
		}
	}()
	got, err := c.version(ctx, s.name, s.version)
	if err != nil {
		return false, err
	}
	if now := s.current.Load(); now != nil && now.is(got) {
		return false, nil
	}
	next, err := s.compile(ctx, c, got)
	if err != nil {
		return false, fmt.Errorf("version %d cannot be used: %w", got.Version, err)
	}
	s.current.Store(next)
	return true, nil
}

// compile makes what values are published by, of a schema with all that it refers to.
func (s *Subject) compile(ctx context.Context, c *client, got sr.SubjectSchema) (*version, error) {
	of, err := languageOf(got.Type)
	if err != nil {
		return nil, err
	}
	if err := s.kind.check(of); err != nil {
		return nil, err
	}
	others, err := c.gather(ctx, got.Schema)
	if err != nil {
		return nil, err
	}
	compiled, err := of.encoder(got.Schema.Schema, others, s.record)
	if err != nil {
		return nil, err
	}
	made := &version{id: uint32(got.ID), number: got.Version, text: got.Schema.Schema, references: got.References, schema: compiled}
	if of.withoutEffect != nil {
		made.withoutEffect = of.withoutEffect(compiled)
	}
	return made, nil
}
