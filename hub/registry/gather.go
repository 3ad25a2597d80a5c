package registry

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/sr"

	"sluice/hub/schema"
)

// Bounds of what a schema refers to.
const (
	maxReferences = 64
	maxDepth      = 16
)

// gathering collects what a schema refers to.
type gathering struct {
	client *client
	kind   sr.SchemaType
	bytes  int
	seen   map[string]sr.SchemaReference // by name
	found  []referred
}

// gather asks for all that a schema refers to, and returns each after those that it refers
// to itself.
func (c *client) gather(ctx context.Context, of sr.Schema) ([]referred, error) {
	g := &gathering{client: c, kind: of.Type, bytes: len(of.Schema), seen: map[string]sr.SchemaReference{}}
	if err := g.add(ctx, of.References, 1); err != nil {
		return nil, err
	}
	return g.found, nil
}

func (g *gathering) add(ctx context.Context, references []sr.SchemaReference, depth int) error {
	for _, r := range references {
		was, known := g.seen[r.Name]
		switch {
		case known && was == r:
			continue
		case known:
			return fmt.Errorf("it refers to two schemas by the name %.100q", r.Name)
		case r.Name == "" || r.Subject == "" || r.Version <= 0:
			return errAnswer
		case len(g.seen) == maxReferences:
			return fmt.Errorf("it refers to more than %d schemas", maxReferences)
		case depth > maxDepth:
			return fmt.Errorf("its references are more than %d deep", maxDepth)
		}
		g.seen[r.Name] = r
		got, err := g.client.version(ctx, r.Subject, r.Version)
		if err != nil {
			return fmt.Errorf("ask for version %d of subject %.100q, which it refers to: %w", r.Version, r.Subject, err)
		}
		if got.Type != g.kind {
			return fmt.Errorf("it refers to a schema of another kind, subject %.100q", r.Subject)
		}
		if g.bytes += len(got.Schema.Schema); g.bytes > schema.MaxText {
			return fmt.Errorf("it has more than %d bytes with all that it refers to", schema.MaxText)
		}
		if err := g.add(ctx, got.References, depth+1); err != nil {
			return err
		}
		g.found = append(g.found, referred{r.Name, got.Schema.Schema})
	}
	return nil
}
