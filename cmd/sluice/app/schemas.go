package app

import (
	"bytes"
	"cmp"
	"fmt"
	"runtime"

	"sluice/cmd/sluice/config"
	"sluice/hub"
	"sluice/hub/event"
	"sluice/hub/ingest"
	"sluice/hub/registry"
	"sluice/hub/schema"
)

// schemas are the schemas of streams, by their names: compiled ones of files, and subjects of
// registries.
type schemas struct {
	of       map[string]*schema.JSON
	subjects map[string]*registry.Subject
	// turns are those in which values are checked.
	turns *ingest.Turns
}

// newSchemas compiles the schemas of a configuration. Those that were in force before are
// not compiled again.
func newSchemas(c *config.Config, from registrySet, was *schemas) (*schemas, error) {
	made := &schemas{
		of: map[string]*schema.JSON{}, subjects: map[string]*registry.Subject{},
		turns: ingest.NewTurns(runtime.GOMAXPROCS(0)),
	}
	if was != nil {
		made.turns = was.turns
	}
	for name, stream := range c.Streams {
		s := stream.Schema
		switch {
		case s == nil:
		case s.Registry != "":
			of := from[s.Registry]
			if !c.HasSubject(name) {
				continue
			}
			made.subjects[name] = of.SubjectOf(stream.SchemaSubject(), s.VersionNumber(), kindOf(stream), s.Record)
		case was != nil && was.of[name] != nil && bytes.Equal(was.of[name].Text(), s.Text):
			made.of[name] = was.of[name]
		default:
			compiled, err := schema.Compile(s.Text)
			if err != nil {
				return nil, fmt.Errorf("streams/%s/schema: %w", name, err)
			}
			made.of[name] = compiled
		}
	}
	return made, nil
}

// definition returns what returns the schema of a stream for its clients, nil for none.
func (s *schemas) definition(stream string) func() (ingest.Definition, error) {
	if of := s.of[stream]; of != nil {
		return ingest.Fixed(of)
	}
	if of := s.subjects[stream]; of != nil {
		return of.Definition
	}
	return nil
}

// step returns the step that checks and encodes the values of a stream, none without a
// schema.
func (s *schemas) step(name string, stream config.Stream, limits config.Limits) []ingest.Step {
	bounds := schema.Limits{Steps: limits.SchemaSteps, Violations: limits.SchemaViolations}
	if of := s.of[name]; of != nil {
		return []ingest.Step{ingest.Conforms{Schema: of, Turns: s.turns, Limits: bounds}}
	}
	if of := s.subjects[name]; of != nil {
		return []ingest.Step{registry.Conforms{Subject: of, Framed: stream.Framed(), Turns: s.turns, Limits: bounds}}
	}
	if stream.DecodedByID() {
		return []ingest.Step{registry.ReadOnly{}}
	}
	return nil
}

// kindOf returns the kind of the schemas that the values of a stream have.
func kindOf(s config.Stream) registry.Kind {
	switch s.Content {
	case "avro":
		return registry.Avro
	case "protobuf":
		return registry.Protobuf
	case "auto":
		return registry.AnyKind
	}
	return registry.JSONSchema
}

// maxDecoded bounds decoded values if there is no limit on events.
const maxDecoded = 64 << 20

// reads sets how the records of a stream are read whose values are stored after the ids of
// schemas.
func (r registrySet) reads(to *hub.Stream, s config.Stream) {
	if !s.Framed() {
		return
	}
	to.Content, to.Decode = event.ContentJSON, registry.JSON{}
	if s.DecodedByID() {
		from := r[s.Schema.Registry]
		to.Source = from.Source(to.Source)
		to.Decode = from.Decoding(kindOf(s), cmp.Or(to.RecordBytes, maxDecoded))
	}
}
