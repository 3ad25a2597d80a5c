package scenario

import (
	"fmt"
	"slices"
)

// Vary names a number and its values.
type Vary struct {
	// Of is clients, partitions or rate. If clients are varied, there is one group
	// of them.
	Of string `yaml:"of" json:"of"`
	// Values are in rising order.
	Values []int `yaml:"values" json:"values"`
}

func (v Vary) check() error {
	if !slices.Contains([]string{"clients", "partitions", "rate"}, v.Of) {
		return fmt.Errorf("vary of %q: clients, partitions or rate is needed", v.Of)
	}
	if len(v.Values) < 2 || !slices.IsSorted(v.Values) || v.Values[0] < 1 {
		return fmt.Errorf("vary of %s: at least two rising values from 1 on are needed", v.Of)
	}
	return nil
}

// Growth is the ratio of the last value to the first.
func (v Vary) Growth() float64 { return float64(v.Values[len(v.Values)-1]) / float64(v.Values[0]) }

// Variants returns the runs of a scenario: one for each value of what is varied, or
// just the scenario itself.
func (s Scenario) Variants() []Scenario {
	if s.Vary == nil {
		return []Scenario{s}
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

// Count formats a number with commas.
func Count(n int) string {
	text := fmt.Sprint(n)
	for i := len(text) - 3; i > 0 && text[i-1] != '-'; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}
