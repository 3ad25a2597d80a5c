package app

import (
	"bytes"
	"fmt"
	"runtime"

	"sluice/cmd/sluice/config"
	"sluice/hub/ingest"
	"sluice/hub/schema"
)

// schemas are the compiled schemas of streams, by their names.
type schemas struct {
	of map[string]*schema.JSON
	// turns bounds how many values are checked at the same time.
	turns chan struct{}
}

// newSchemas compiles the schemas of a configuration. Those that were in force before are
// not compiled again.
func newSchemas(c *config.Config, was *schemas) (*schemas, error) {
	made := &schemas{of: map[string]*schema.JSON{}, turns: make(chan struct{}, runtime.GOMAXPROCS(0))}
	if was != nil {
		made.turns = was.turns
	}
	for name, stream := range c.Streams {
		if stream.Schema == nil {
			continue
		}
		if was != nil && was.of[name] != nil && bytes.Equal(was.of[name].Text(), stream.Schema.Text) {
			made.of[name] = was.of[name]
			continue
		}
		compiled, err := schema.Compile(stream.Schema.Text)
		if err != nil {
			return nil, fmt.Errorf("streams/%s/schema: %w", name, err)
		}
		made.of[name] = compiled
	}
	return made, nil
}

// definition returns the schema of a stream for its clients, nil for none.
func (s *schemas) definition(stream string) ingest.Definition {
	if of := s.of[stream]; of != nil {
		return of
	}
	return nil
}

// step returns the step that checks the values of a stream, none without a schema.
func (s *schemas) step(stream string, limits config.Limits) []ingest.Step {
	of := s.of[stream]
	if of == nil {
		return nil
	}
	return []ingest.Step{ingest.Conforms{
		Schema: of, Turns: s.turns,
		Limits: schema.Limits{Steps: limits.SchemaSteps, Violations: limits.SchemaViolations},
	}}
}
