package ingest

import (
	"context"
	"slices"
	"sync/atomic"

	"sluice/hub/upstream"
)

// Step is one thing that is done with records before they are stored: checking
// their form or a rule, looking up an earlier verdict, counting against a quota.
//
// Steps are called in the order of the pipeline. A Step is used by many
// goroutines concurrently, each with its own batch.
type Step interface {
	// Check processes the batch's pending records. It may change them, and settle
	// any of them; a batch without pending records is not passed to further
	// steps.
	//
	// It runs in the goroutine of the publisher and may block, for Redis or a
	// registry, until the context ends. Meanwhile nothing that the same session
	// sends is read, which keeps its order; other sessions continue. If it cannot
	// decide, because what it needs is unavailable or the context has ended, it
	// settles the record with ErrPublishUnavailable, as nothing is stored.
	//
	// After it has returned it must keep nothing of the batch except copies.
	Check(ctx context.Context, b *Batch)

	// Settled is called once for each batch that Check has seen, when all of its
	// records have verdicts, including those from other steps and from Kafka, and
	// before the client gets its response. Steps are called in reverse order.
	// Settled runs in any goroutine, including the one that delivers the
	// producer's results, and must not block: a step that stores the verdicts
	// does so in a goroutine of its own. It must not keep anything of the batch
	// either.
	Settled(b *Batch)
}

// Store is what follows the last step. hub.Hub implements it.
type Store interface {
	// Publish stores messages in the topic of a tenant's stream. It returns at once; done is
	// called exactly once with one result per message, in their order, unless
	// Publish returns an error, in which case none is stored.
	Publish(ctx context.Context, tenant, stream string, messages []upstream.Message, done func([]upstream.Stored)) error
}

// Stream is what records of one stream pass through.
type Stream struct {
	// Once is the step that stores a record with a message id once. It comes before the
	// stream's own steps: a record that was stored before is not judged again. Nil refuses
	// records with a message id.
	Once Step
	// Steps are its own steps.
	Steps []Step
	// DeadLetters keeps the records that its steps find to be invalid. Nil refuses them.
	DeadLetters *DeadLetters
	// Schema returns what Steps check values against. It is nil for a stream without a
	// schema. The error is ErrSchemaUnavailable.
	Schema func() (Definition, error)
}

// Pipeline passes records through steps to a store: the first ones, those of the
// stream, and the last ones. It is safe for concurrent use.
type Pipeline struct {
	store       Store
	first, last []Step
	streams     atomic.Pointer[map[string]Stream]
}

// New returns a pipeline. The steps run in the given order; no stream has steps yet.
func New(store Store, first, last []Step) *Pipeline {
	p := &Pipeline{store: store, first: slices.Clone(first), last: slices.Clone(last)}
	p.SetStreams(nil)
	return p
}

// SetStreams replaces what all streams have of their own, by their names. Batches that are
// on their way pass the former steps.
func (p *Pipeline) SetStreams(streams map[string]Stream) {
	all := make(map[string]Stream, len(streams))
	for name, own := range streams {
		var once Step = noMessageIDs{}
		if own.Once != nil {
			once = own.Once
		}
		own.Steps = slices.Concat(p.first, []Step{once}, own.Steps, p.last)
		all[name] = own
	}
	all[""] = Stream{Steps: slices.Concat(p.first, []Step{noMessageIDs{}}, p.last)}
	p.streams.Store(&all)
}

// Schema returns the schema that records of a stream are checked against, nil for none. The
// error is ErrSchemaUnavailable, if the stream has one that is not known yet.
func (p *Pipeline) Schema(stream string) (Definition, error) {
	if of := p.of(stream).Schema; of != nil {
		return of()
	}
	return nil, nil
}

// of returns what records of a stream pass through.
func (p *Pipeline) of(stream string) Stream {
	all := *p.streams.Load()
	if own, ok := all[stream]; ok {
		return own
	}
	return all[""]
}

// Publish takes ownership of the messages and calls done exactly once with one
// verdict per message, in their order: from another goroutine, or before it
// returns if no messages were left for the store or the store refused the call.
// It blocks while a step does. The context bounds the attempt, as with
// upstream.Producer. The messages must not be changed afterwards.
//
// If a step panics, the panic is passed on and done is not called. Nothing is stored then,
// which is what the steps before it are told.
func (p *Pipeline) Publish(ctx context.Context, stream string, by Publisher, messages []Message, done func([]Verdict)) {
	b := newBatch(stream, by, messages)
	own := p.of(stream)
	letters := own.DeadLetters.begin(b)
	reached := check(ctx, own.Steps, b)
	var parts atomic.Int32 // what the batch waits for
	parts.Store(1)
	finish := func() {
		if parts.Add(-1) > 0 {
			return
		}
		for _, step := range slices.Backward(own.Steps[:reached]) {
			step.Settled(b)
		}
		done(b.verdicts)
	}
	if letters.gather() {
		parts.Add(1)
		letters.store(ctx, p.store, finish)
	}
	if b.pending == 0 && b.Len() > 0 {
		finish()
		return
	}
	left, index := b.remaining()
	err := p.store.Publish(ctx, by.Tenant, stream, left, func(stored []upstream.Stored) {
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

// check passes a batch through steps until none of its records is pending, and returns how
// many steps have seen it.
func check(ctx context.Context, steps []Step, b *Batch) (reached int) {
	passed := false
	defer func() {
		if passed {
			return
		}
		for i := range b.messages {
			b.Settle(i, Rejected(upstream.ErrPublishUnavailable))
		}
		for _, step := range slices.Backward(steps[:reached]) {
			step.Settled(b)
		}
	}()
	for _, step := range steps {
		if b.pending == 0 {
			break
		}
		step.Check(ctx, b)
		reached++
	}
	passed = true
	return reached
}

// noMessageIDs is a step that refuses records with a message id: they must not be stored
// without what the id promises, unless nothing was promised.
type noMessageIDs struct{}

// Check implements Step. It does not block.
func (noMessageIDs) Check(_ context.Context, b *Batch) {
	for i := range b.Len() {
		m := b.Message(i)
		if !b.Pending(i) || m.ID == "" {
			continue
		}
		if m.Implied {
			m.ID = ""
			continue
		}
		b.Settle(i, Rejected(ErrNoMessageIDs))
	}
}

// Settled implements Step.
func (noMessageIDs) Settled(*Batch) {}
