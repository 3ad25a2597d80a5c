package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"sluice/hub"
	"sluice/hub/upstream"
)

const (
	// connectEvery is how often what does not answer yet is asked again.
	connectEvery = 250 * time.Millisecond
	// connectReads is how many topics are read at the same time.
	connectReads = 8
	// connectBytes is about how much is read of a topic.
	connectBytes = 1 << 10
)

// Finding is the result of asking one thing that the configuration names.
type Finding struct {
	Name string
	Err  error // nil if it can be used
}

// Connect asks everything that the configuration names, as /readyz does, and whether the
// topics of the streams exist and can be read. It serves nothing, creates nothing and
// writes nothing. What does not answer is asked again until the context ends. Connect is
// called in place of Run. The findings are sorted by name.
func (a *App) Connect(ctx context.Context) ([]Finding, error) {
	l := &lifecycle{logger: slog.New(slog.DiscardHandler), grace: stopGrace}
	l.add(a.verifiers.parts...)
	l.add(part{name: "keys of issuers", run: a.auth.Run}, part{name: "keysets", start: a.encryption.open})
	for _, name := range slices.Sorted(maps.Keys(a.clusters)) {
		l.add(a.clusters[name].parts()...)
	}
	l.add(a.registries.parts()...)
	l.add(a.acls.parts()...)
	l.add(a.cursors.parts()...)
	l.add(a.shared.parts()...)
	var findings []Finding
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	l.add(part{name: "questions", run: func(own context.Context) error {
		bounded, cancel := context.WithCancel(own)
		defer cancel()
		defer context.AfterFunc(ctx, cancel)()
		findings = a.ask(bounded)
		stop()
		<-own.Done()
		return nil
	}})
	err := l.run(running)
	slices.SortFunc(findings, func(x, y Finding) int { return strings.Compare(x.Name, y.Name) })
	return findings, err
}

// ask asks everything at the same time.
func (a *App) ask(ctx context.Context) []Finding {
	var (
		mu       sync.Mutex
		findings []Finding
		asking   sync.WaitGroup
		reads    = make(chan struct{}, connectReads)
	)
	found := func(name string, err error) {
		mu.Lock()
		defer mu.Unlock()
		findings = append(findings, Finding{name, err})
	}
	checks := a.front.checks()
	maps.Copy(checks, a.front.without())
	for name, p := range a.front.presences {
		checks["kafka "+name] = p.beforeStart
	}
	for name, check := range checks {
		asking.Go(func() { found(name, untilAnswered(ctx, check)) })
	}
	for name, stream := range a.config.Streams {
		if strings.Contains(stream.Topic, hub.TenantPlaceholder) {
			continue // there is one for each tenant, and none is known
		}
		asking.Go(func() {
			reads <- struct{}{}
			defer func() { <-reads }()
			err := readable(ctx, a.clusters[stream.Cluster], stream.Topic)
			switch {
			case !errors.Is(err, upstream.ErrUnknownTopic):
			case stream.Partitions > 0:
				err = nil // the server creates it
			default:
				err = fmt.Errorf("topic %q does not exist in kafka cluster %s: correct the name, create the topic, or set partitions to have the server create it", stream.Topic, stream.Cluster)
			}
			found("stream "+name, err)
		})
	}
	asking.Wait()
	return findings
}

// untilAnswered repeats a check until it passes or the context ends, and returns its last
// error.
func untilAnswered(ctx context.Context, check func(context.Context) error) error {
	for {
		err := check(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(connectEvery):
		}
	}
}

// readable returns why a topic cannot be read.
func readable(ctx context.Context, from *cluster, name string) error {
	topic, err := from.source.Topic(ctx, name)
	if err != nil {
		return err
	}
	begin, err := from.source.Offsets(ctx, topic, upstream.Earliest())
	if err != nil {
		return err
	}
	return from.source.Read(ctx, topic, begin, connectBytes, func(*upstream.Fetched) {})
}
