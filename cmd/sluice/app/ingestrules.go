package app

import (
	"time"

	"sluice/cmd/sluice/config"
	"sluice/hub/ingest"
	"sluice/hub/ingest/rules"
)

// ruleSteps returns the steps that hold a stream's own rules. What clients send is bounded
// before the server sets headers. The rules were checked when the configuration was loaded.
func ruleSteps(s config.Stream, limits config.Limits) []ingest.Step {
	in := s.Ingest
	steps := []ingest.Step{rules.Content{Kinds: s.Accepts(), Depth: limits.JSONDepth, Names: limits.JSONKeys}}
	if keys := checked(rules.NewKeys(in.Key)); keys != nil {
		steps = append(steps, keys)
	}
	sizes := rules.Sizes{
		Key: int(in.Max.KeyBytes), Value: int(in.Max.ValueBytes), Headers: in.Max.Headers, HeaderBytes: int(in.Max.HeaderBytes),
	}
	if sizes != (rules.Sizes{}) {
		steps = append(steps, sizes)
	}
	times := rules.Timestamps{Now: time.Now}
	if in.Timestamp != nil {
		times.Allowed, times.Past, times.Future = true, in.Timestamp.Past, in.Timestamp.Future
	}
	steps = append(steps, times)
	if in.Headers != nil {
		steps = append(steps, checked(rules.NewHeaders(in.Headers.Allow, in.Headers.Set, time.Now)))
	}
	return steps
}

// checked returns a step that is made of a configuration that was checked. A stream must
// never lack one of its rules.
func checked[S any](step S, err error) S {
	if err != nil {
		panic("the rule of a stream was not checked: " + err.Error())
	}
	return step
}

// deadLetters returns where the invalid records of a stream are kept, nil if they are
// refused.
func deadLetters(s config.Stream) *ingest.DeadLetters {
	if s.Ingest.OnInvalid != config.DeadLetter {
		return nil
	}
	return &ingest.DeadLetters{Stream: s.Ingest.DeadLetter, Topic: s.Topic, Schema: s.SchemaName(), Now: time.Now}
}
