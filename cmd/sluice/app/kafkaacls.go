package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"sluice/auth"
	"sluice/cmd/sluice/config"
	"sluice/hub/kafkalog/acls"
)

// kafkaACLs give the clients the rights that the ACLs of the streams' clusters give to
// their Kafka principals. It is an auth.Authority.
type kafkaACLs struct {
	// Immutable.
	name       *auth.Template
	config     *config.KafkaACLs
	topics     map[string]topicOf // by stream
	superUsers map[string]bool
	readers    map[string]*acls.Reader // by cluster
	logger     *slog.Logger

	rulings atomic.Pointer[auth.Rulings]

	mu      sync.Mutex // held while rulings is replaced
	changed func()     // called after rulings has been replaced
}

// firstACLs is how long the start waits for the ACLs. The server starts without Kafka,
// too.
const firstACLs = 3 * time.Second

// topicOf is the topic of a stream.
type topicOf struct{ cluster, topic string }

// newKafkaACLs makes the readers of the clusters that have streams. It returns nil if
// rights do not come from ACLs.
func newKafkaACLs(c *config.Config, clusters map[string]*cluster, logger *slog.Logger) (*kafkaACLs, error) {
	if c.Auth.KafkaACLs == nil {
		return nil, nil
	}
	a := &kafkaACLs{
		config:     c.Auth.KafkaACLs,
		topics:     make(map[string]topicOf),
		superUsers: make(map[string]bool),
		readers:    make(map[string]*acls.Reader),
		logger:     logger.With("component", "kafka ACLs"),
		changed:    func() {},
	}
	var err error
	if a.name, err = auth.NewTemplate(a.config.Principal); err != nil {
		return nil, fmt.Errorf("kafka ACLs: %w", err)
	}
	for _, user := range a.config.SuperUsers {
		a.superUsers[user] = true
	}
	for name, stream := range c.Streams {
		a.topics[name] = topicOf{stream.Cluster, stream.Topic}
		if a.readers[stream.Cluster] != nil {
			continue
		}
		if a.readers[stream.Cluster], err = acls.New(acls.Config{
			Cluster: clusters[stream.Cluster].conn,
			Refresh: a.config.Refresh,
			MaxAge:  a.config.MaxAge,
			Changed: a.replace,
			Logger:  a.logger.With("cluster", stream.Cluster),
		}); err != nil {
			return nil, err
		}
	}
	a.compose()
	return a, nil
}

// Rulings implements auth.Authority.
func (a *kafkaACLs) Rulings() *auth.Rulings { return a.rulings.Load() }

// compose makes the rulings from the newest snapshots of all clusters.
func (a *kafkaACLs) compose() {
	a.mu.Lock()
	defer a.mu.Unlock()
	snapshots := make(map[string]*acls.Snapshot, len(a.readers))
	made := &auth.Rulings{Name: a.name, Replay: replay(a.config.Replay)}
	for name, reader := range a.readers {
		snapshots[name] = reader.Current()
		made.Incomplete = made.Incomplete || !snapshots[name].Complete()
	}
	made.Judge = func(name string, action auth.Action, stream string) auth.Verdict {
		return a.judge(snapshots, name, action, stream)
	}
	a.rulings.Store(made)
}

// replace is called when a snapshot has been replaced.
func (a *kafkaACLs) replace() {
	a.compose()
	a.mu.Lock()
	changed := a.changed
	a.mu.Unlock()
	changed()
}

// onChange makes changes of the rights known to those who have given them to clients.
func (a *kafkaACLs) onChange(changed func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.changed = changed
}

func (a *kafkaACLs) judge(snapshots map[string]*acls.Snapshot, name string, action auth.Action, stream string) auth.Verdict {
	of, ok := a.topics[stream]
	switch {
	case !ok:
		return auth.Silent
	case a.superUsers[name]:
		return auth.Allowed
	}
	operation := acls.Read
	if action == auth.Publish {
		operation = acls.Write
	}
	switch snapshots[of.cluster].Judge(name, of.topic, operation) {
	case acls.Allowed:
		return auth.Allowed
	case acls.None:
		return auth.Silent
	case acls.Denied:
	}
	return auth.Denied
}

// parts returns the readers. Where Kafka answers, the ACLs are known before the first
// client connects.
func (a *kafkaACLs) parts() []part {
	if a == nil {
		return nil
	}
	return []part{{name: "ACLs of kafka", start: a.start, run: a.run}}
}

func (a *kafkaACLs) start(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, firstACLs)
	defer cancel()
	a.each(func(r *acls.Reader) { _ = r.Read(ctx) }) // the reader logs why it fails, and run reads again
	return nil
}

func (a *kafkaACLs) run(ctx context.Context) error {
	a.each(func(r *acls.Reader) { _ = r.Run(ctx) })
	return nil
}

// each calls do for every reader, each in a goroutine, and waits for all.
func (a *kafkaACLs) each(do func(*acls.Reader)) {
	var tasks sync.WaitGroup
	for _, reader := range a.readers {
		tasks.Go(func() { do(reader) })
	}
	tasks.Wait()
}

// ready returns why the ACLs of a cluster have never been read.
func (a *kafkaACLs) ready(context.Context) error {
	return a.check(func(r *acls.Reader) bool { return !r.Current().Known() })
}

// degraded returns why the ACLs of a cluster could not be read the last time.
func (a *kafkaACLs) degraded(context.Context) error {
	return a.check(func(r *acls.Reader) bool { return r.Current().Known() })
}

func (a *kafkaACLs) check(counts func(*acls.Reader) bool) error {
	var failed []error
	for _, name := range slices.Sorted(maps.Keys(a.readers)) {
		if r := a.readers[name]; counts(r) {
			if err := r.Check(); err != nil {
				failed = append(failed, fmt.Errorf("kafka cluster %s: %w", name, err))
			}
		}
	}
	return errors.Join(failed...)
}
