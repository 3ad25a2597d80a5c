package producer

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"sluice/hub/kafkalog"
	"sluice/hub/share"
	"sluice/hub/upstream"
)

var _ upstream.Producer = (*Producer)(nil)

// New returns a Producer. It accepts messages at once and sends them while Run
// runs.
func New(cluster *kafkalog.Cluster, config Config) (*Producer, error) {
	if cluster == nil {
		return nil, errors.New("new producer: a cluster is required")
	}
	if err := config.check(); err != nil {
		return nil, fmt.Errorf("new producer: %w", err)
	}
	return &Producer{
		cluster: cluster,
		config:  config,
		memory: share.Memory{
			Most:      func() int64 { return config.MemoryBytes },
			Principal: func(_, left int64) int64 { return left },
		},
		slots:  newSlots(config.Requests),
		fresh:  make(chan struct{}, 1),
		topics: make(map[string]*topic),
	}, nil
}

// Run sends what Produce accepts until the context ends. Then it refuses new
// messages, continues to send the accepted ones for the drain timeout, and
// returns nil once every message has a result. It can be called once. It owns one
// goroutine for each topic and one for each of their partitions.
func (p *Producer) Run(ctx context.Context) error {
	if !p.started.CompareAndSwap(false, true) {
		return errors.New("run producer: the producer was already run")
	}
	work, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()

	var topics sync.WaitGroup
	for ctx.Err() == nil {
		for _, t := range p.takeWaiting() {
			topics.Go(func() { t.run(ctx, work) })
		}
		select {
		case <-p.fresh:
		case <-ctx.Done():
		}
	}
	for _, t := range p.close() {
		t.end()
	}
	deadline := time.AfterFunc(p.config.DrainTimeout, stop)
	defer deadline.Stop()
	topics.Wait()
	p.refusals.Wait()
	return nil
}

// Bytes returns the memory of the messages in flight, which MemoryBytes bounds.
func (p *Producer) Bytes() int64 { return p.memory.Bytes() }

// Unavailable returns how many partitions refuse messages at present, with one for each
// topic whose partitions could not be learned.
func (p *Producer) Unavailable() int {
	p.mu.Lock()
	topics := make([]*topic, 0, len(p.topics))
	for _, t := range p.topics {
		topics = append(topics, t)
	}
	p.mu.Unlock()
	n := 0
	for _, t := range topics {
		t.mu.Lock()
		if t.away != nil && t.lanes == nil {
			n++
		}
		for _, l := range t.lanes {
			if l.away != nil {
				n++
			}
		}
		t.mu.Unlock()
	}
	return n
}

// Produce implements upstream.Producer.
func (p *Producer) Produce(ctx context.Context, topic string, messages []upstream.Message, done func([]upstream.Stored)) {
	call := newCall(messages, done)
	if call.cost > p.config.MemoryBytes {
		p.refuse(call, fmt.Errorf("store %d bytes: %w", call.cost, upstream.ErrRecordTooLarge))
		return
	}
	var by share.Client
	if len(messages) > 0 {
		by = messages[0].By
	}
	if answer, _ := p.memory.Reserve(by, call.cost); answer != share.Granted {
		p.refuse(call, upstream.ErrPublishOverloaded)
		return
	}
	call.release = func() { p.memory.Give(by, call.cost) }

	for len(messages) > 0 {
		t := p.topic(topic)
		if t == nil {
			break
		}
		finished, ok := t.accept(ctx, call)
		if !ok {
			continue // it was forgotten meanwhile
		}
		for _, call := range finished {
			p.answer(call)
		}
		return
	}
	p.refuse(call, fmt.Errorf("%w: %w", upstream.ErrPublishUnavailable, errClosed))
}

// refuse gives every message of a call an error as its result.
func (p *Producer) refuse(call *call, err error) {
	for i := range call.results {
		call.results[i] = upstream.Stored{Partition: -1, Offset: -1, Err: err}
	}
	p.answer(call)
}

// answer finishes a call in a new goroutine, because Produce must not call done
// itself.
func (p *Producer) answer(call *call) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		// Run may have returned, so no WaitGroup is used. done must not block, so
		// the goroutine ends soon.
		go call.finish()
		return
	}
	p.refusals.Go(call.finish)
}

// topic finds or creates a topic. It returns nil if the producer has ended.
func (p *Producer) topic(name string) *topic {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil
	}
	t := p.topics[name]
	if t == nil {
		t = newTopic(p, name)
		p.topics[name] = t
		p.waiting = append(p.waiting, t)
		select {
		case p.fresh <- struct{}{}:
		default:
		}
	}
	return t
}

// Forget implements upstream.Forgetter: what the producer has for a topic ends once none
// of its messages is in flight, unless there are new ones by then.
func (p *Producer) Forget(topic string) {
	p.mu.Lock()
	t := p.topics[topic]
	p.mu.Unlock()
	if t == nil {
		return
	}
	t.mu.Lock()
	t.unwanted = true
	t.unlock()
	select {
	case t.stale <- struct{}{}:
	default:
	}
}

func (p *Producer) takeWaiting() []*topic {
	p.mu.Lock()
	defer p.mu.Unlock()
	waiting := p.waiting
	p.waiting = nil
	return waiting
}

// close refuses messages from now on and returns the topics that Run has not
// started.
func (p *Producer) close() []*topic {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	waiting := p.waiting
	p.waiting = nil
	return waiting
}
