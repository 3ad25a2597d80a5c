package ingest

import (
	"context"
	"slices"

	"sluice/hub/upstream"
)

// Step is one thing that is done with records before they are stored: checking
// their shape or a rule, looking up an earlier verdict, counting against a quota.
//
// Steps are called in the order of the pipeline. A Step is used by many
// goroutines at once, for one batch each.
type Step interface {
	// Check looks at the batch's pending records. It may change them, and settle
	// any of them; a batch in which none is pending reaches no further step.
	//
	// It runs in the goroutine of who publishes and may block, for Redis or a
	// registry, as long as the context lives. Meanwhile what the same session
	// sends is not read, which keeps its order; other sessions go on. When it
	// cannot say, because what it needs is unavailable or the context has ended,
	// it settles with ErrPublishUnavailable, as nothing is stored.
	//
	// It keeps nothing of the batch after it has returned, but what it has
	// copied.
	Check(ctx context.Context, b *Batch)

	// Settled is called once for each batch that Check has seen, when all of its
	// records have verdicts, also those that other steps and Kafka have given,
	// and before the client is answered. The steps are called in reverse order.
	// It runs in any goroutine, that of the producer's answers too, and must not
	// block: a step that writes down what it has learned does so in a goroutine
	// of its own. It keeps nothing of the batch either.
	Settled(b *Batch)
}

// Store is what is behind the last step. A hub.Hub is one.
type Store interface {
	// Publish stores messages in a stream's topic. It returns at once; done is
	// called exactly once with one result a message, in their order, unless
	// Publish returns an error, with which none is stored.
	Publish(ctx context.Context, stream string, messages []upstream.Message, done func([]upstream.Stored)) error
}

// Pipeline takes records through steps to a store. It never changes, and is safe
// for concurrent use.
type Pipeline struct {
	steps []Step
	store Store
}

// New makes a pipeline. The steps run in the given order.
func New(store Store, steps ...Step) *Pipeline {
	return &Pipeline{steps: slices.Clone(steps), store: store}
}

// Publish takes the messages over, and calls done exactly once with a verdict on
// each, in their order: from another goroutine, or before it returns where
// nothing was left for the store. It blocks while a step does. The context bounds
// the attempt, as with upstream.Producer. The messages must not be changed
// afterwards.
//
// A step that panics lets the panic through, and then done is not called.
func (p *Pipeline) Publish(ctx context.Context, stream, principal string, messages []upstream.Message, done func([]Verdict)) {
	b := newBatch(stream, principal, messages)
	reached := 0
	for _, step := range p.steps {
		if b.pending == 0 {
			break
		}
		step.Check(ctx, b)
		reached++
	}
	finish := func() {
		for _, step := range slices.Backward(p.steps[:reached]) {
			step.Settled(b)
		}
		done(b.verdicts)
	}
	if b.pending == 0 && b.Len() > 0 {
		finish()
		return
	}
	left, index := b.remaining()
	err := p.store.Publish(ctx, stream, left, func(stored []upstream.Stored) {
		b.settleRest(index, stored)
		finish()
	})
	if err != nil {
		for i := range b.messages {
			b.Settle(i, Rejected(err))
		}
		finish()
	}
}
