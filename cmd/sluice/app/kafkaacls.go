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
	"sync/atomic"
	"time"

	"sluice/auth"
	"sluice/cmd/sluice/config"
	"sluice/hub"
	"sluice/hub/kafkalog/acls"
)

// kafkaACLs give the clients the rights that the ACLs of the streams' clusters give to
// their Kafka principals. It is an auth.Authority.
type kafkaACLs struct {
	// Immutable.
	name       *auth.Template
	config     *config.KafkaACLs
	superUsers map[string]bool
	readers    map[string]*acls.Reader // by cluster
	stale      chan struct{}           // has room for one; run then tells of a change

	rulings atomic.Pointer[auth.Rulings]

	mu      sync.Mutex
	topics  map[string]topicOf // by stream; replaced, never changed
	changed func()             // called after rulings has been replaced
}

// topicOf is the topic of a stream.
type topicOf struct{ cluster, topic string }

// firstACLs is how long the start waits for the ACLs. The server starts without Kafka,
// too.
const firstACLs = 3 * time.Second

// newKafkaACLs makes the readers of all clusters. It returns nil if rights do not come
// from ACLs.
func newKafkaACLs(c *config.Config, clusters map[string]*cluster, logger *slog.Logger) (*kafkaACLs, error) {
	if c.Auth.KafkaACLs == nil {
		return nil, nil
	}
	a := &kafkaACLs{
		config:     c.Auth.KafkaACLs,
		superUsers: make(map[string]bool),
		readers:    make(map[string]*acls.Reader),
		stale:      make(chan struct{}, 1),
		changed:    func() {},
	}
	var err error
	if a.name, err = auth.NewTemplate(a.config.Principal); err != nil {
		return nil, fmt.Errorf("kafka ACLs: %w", err)
	}
	for _, user := range a.config.SuperUsers {
		a.superUsers[user] = true
	}
	for name, cluster := range clusters {
		if a.readers[name], err = acls.New(acls.Config{
			Cluster: cluster.conn,
			Refresh: a.config.Refresh,
			MaxAge:  a.config.MaxAge,
			Changed: a.replace,
			Logger:  logger.With("component", "kafka ACLs", "cluster", name),
		}); err != nil {
			return nil, fmt.Errorf("kafka cluster %s: %w", name, err)
		}
	}
	a.watch(c.Streams)
	return a, nil
}

// watch replaces the streams.
func (a *kafkaACLs) watch(streams map[string]config.Stream) {
	topics := make(map[string]topicOf, len(streams))
	for name, stream := range streams {
		topics[name] = topicOf{stream.Cluster, stream.Topic}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.topics = topics
	a.compose()
}

// Rulings implements auth.Authority.
func (a *kafkaACLs) Rulings() *auth.Rulings { return a.rulings.Load() }

// compose makes the rulings from the newest snapshots of the clusters that have streams.
// The caller holds mu.
func (a *kafkaACLs) compose() {
	snapshots := make(map[string]*acls.Snapshot, len(a.readers))
	made := &auth.Rulings{Name: a.name, Replay: replay(a.config.Replay)}
	for _, of := range a.topics {
		if snapshots[of.cluster] == nil {
			snapshots[of.cluster] = a.readers[of.cluster].Current()
			made.Incomplete = made.Incomplete || !snapshots[of.cluster].Complete()
		}
	}
	topics := a.topics
	made.Judge = func(name, tenant string, action auth.Action, stream string) auth.Verdict {
		of, ok := topics[stream]
		switch {
		case !ok, tenant == "" && strings.Contains(of.topic, hub.TenantPlaceholder):
			return auth.Silent
		case a.superUsers[name]:
			return auth.Allowed
		}
		return verdictOf(snapshots[of.cluster], name, action, strings.ReplaceAll(of.topic, hub.TenantPlaceholder, tenant))
	}
	a.rulings.Store(made)
}

// replace is called when a snapshot has been replaced.
func (a *kafkaACLs) replace() {
	a.mu.Lock()
	a.compose()
	a.mu.Unlock()
	select {
	case a.stale <- struct{}{}:
	default:
	}
}

// onChange makes changes of the ACLs known to the part that has given rights to clients.
// The readers do not wait for it.
func (a *kafkaACLs) onChange(changed func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.changed = changed
}

// tell calls what onChange was given.
func (a *kafkaACLs) tell(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-a.stale:
		}
		a.mu.Lock()
		changed := a.changed
		a.mu.Unlock()
		changed()
	}
}

func verdictOf(s *acls.Snapshot, name string, action auth.Action, topic string) auth.Verdict {
	operation := acls.Read
	if action == auth.Publish {
		operation = acls.Write
	}
	switch s.Judge(name, topic, operation) {
	case acls.Allowed:
		if s.AllowsByName(name, topic, operation) {
			return auth.AllowedByName
		}
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
	var telling sync.WaitGroup
	telling.Go(func() { a.tell(ctx) })
	a.each(func(r *acls.Reader) { _ = r.Run(ctx) })
	telling.Wait()
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
	a.mu.Lock()
	used := make(map[string]bool)
	for _, of := range a.topics {
		used[of.cluster] = true
	}
	a.mu.Unlock()
	var failed []error
	for _, name := range slices.Sorted(maps.Keys(used)) {
		if r := a.readers[name]; counts(r) {
			if err := r.Check(); err != nil {
				failed = append(failed, fmt.Errorf("kafka cluster %s: %w", name, err))
			}
		}
	}
	return errors.Join(failed...)
}
