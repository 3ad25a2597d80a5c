package app

import (
	"sluice/cmd/sluice/config"
	"sluice/hub/ingest"
	"sluice/hub/ingest/once"
	"sluice/hub/ingest/quota"
)

// newIngest returns what published records pass through on their way to a store. Quotas come
// first: what is refused for another reason counts, too.
func newIngest(c *config.Config, of *schemas, store ingest.Store, guard *once.Guard, quotas *quota.Quotas) *ingest.Pipeline {
	pipeline := ingest.New(store, []ingest.Step{quotas, ingest.ReservedHeaders{}}, []ingest.Step{ingest.Correlated{Header: c.Replies.Header}, ingest.Allowed{}})
	setIngest(pipeline, c, of, guard)
	return pipeline
}

// setIngest puts in force what the streams of a configuration demand of their records.
func setIngest(pipeline *ingest.Pipeline, c *config.Config, of *schemas, guard *once.Guard) {
	streams := make(map[string]ingest.Stream, len(c.Streams))
	for name, s := range c.Streams {
		steps := append(ingestSteps(s, c.Limits), of.step(name, s, c.Limits)...)
		streams[name] = ingest.Stream{Once: onceStep(guard, c, s), Steps: steps, DeadLetters: deadLetters(s), Schema: of.definition(name)}
	}
	pipeline.SetStreams(streams)
}

// ingestSteps returns the steps of a stream, in the order in which they run: first what
// the form of a record has to be.
func ingestSteps(s config.Stream, limits config.Limits) []ingest.Step {
	return ruleSteps(s, limits)
}
