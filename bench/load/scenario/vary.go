package scenario

import (
	"fmt"
	"slices"
)

// Vary names a number and its values.
type Vary struct {
	// Of is clients, partitions, rate, or schema. If clients are varied, there is one
	// group of them.
	Of string `yaml:"of" json:"of"`
	// Values are in rising order. A schema has none: there is a run for each of
	// Schemas.
	Values []int `yaml:"values" json:"values"`
}

func (v Vary) check() error {
	if v.Of == varySchema {
		if len(v.Values) > 0 {
			return fmt.Errorf("vary of %s: it has no values, as there is a run for each", v.Of)
		}
		return nil
	}
	if !slices.Contains([]string{"clients", "partitions", "rate"}, v.Of) {
		return fmt.Errorf("vary of %q: clients, partitions, rate or schema is needed", v.Of)
	}
	if len(v.Values) < 2 || !slices.IsSorted(v.Values) || v.Values[0] < 1 {
		return fmt.Errorf("vary of %s: at least two rising values from 1 on are needed", v.Of)
	}
	return nil
}

// varySchema is the Of of a scenario that is run with each schema.
const varySchema = "schema"

// Growth is the ratio of the last value to the first, 0 if they are not numbers.
func (v Vary) Growth() float64 {
	if len(v.Values) == 0 {
		return 0
	}
	return float64(v.Values[len(v.Values)-1]) / float64(v.Values[0])
}

// Variants returns the runs of a scenario: one for each value of what is varied, or
// just the scenario itself.
func (s Scenario) Variants() []Scenario {
	if s.Vary == nil {
		return []Scenario{s}
	}
	if s.Vary.Of == varySchema {
		return s.withSchemas()
	}
	runs := make([]Scenario, len(s.Vary.Values))
	for i, value := range s.Vary.Values {
		run := s
		switch s.Vary.Of {
		case "clients":
			run.Clients = slices.Clone(s.Clients)
			run.Clients[0].Count = value
		case "partitions":
			run.Partitions = value
			run.Keys = max(run.Keys, value)
		case "rate":
			run.Rate = value
		}
		run.Title = fmt.Sprintf("%s: %s", s.Title, Count(value))
		runs[i] = run
	}
	return runs
}

// withSchemas returns a run for each of Schemas.
func (s Scenario) withSchemas() []Scenario {
	runs := make([]Scenario, len(Schemas))
	for i, schema := range Schemas {
		runs[i] = s
		runs[i].Schema = schema.Name
		runs[i].Title = s.Title + ": " + schema.Title
	}
	return runs
}

// Count formats a number with commas.
func Count(n int) string {
	text := fmt.Sprint(n)
	for i := len(text) - 3; i > 0 && text[i-1] != '-'; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}
