package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"sluice/cmd/sluice/config"
	"sluice/hub"
)

// errNoTopics means that a cluster has none of the topics of its streams.
var errNoTopics = errors.New("none of the streams' topics exists")

// noneEvery is the minimum interval between checks of all topics while there is none, as when the
// server is about to create them.
const noneEvery = time.Second

// presence checks whether a cluster answers, and which of the streams' topics exist.
//
// A single missing topic must not take an instance out of the load balancer: the
// other streams are served, and every instance lacks the same topic. Its stream is
// reported as degraded. An instance that finds none of its topics in a cluster can
// serve nothing from it, most likely because it is the wrong cluster, and is not
// ready.
type presence struct {
	cluster *cluster
	hub     *hub.Hub
	every   time.Duration // minimum interval between checks of all topics

	mu      sync.Mutex
	streams map[string]string // topics by stream, for this cluster; never changed, but replaced
	topics  []string          // sorted; likewise
	creates bool              // the server creates some of the topics; likewise
	asked   time.Time
	seen    bool // some topic existed once
	none    bool // no topic exists
	missing map[string]bool
}

// newPresences makes a presence for each cluster.
func newPresences(c *config.Config, clusters map[string]*cluster, h *hub.Hub) map[string]*presence {
	all := make(map[string]*presence)
	for name, from := range clusters {
		all[name] = &presence{cluster: from, hub: h, every: c.Admin.CheckEvery}
		all[name].watch(c.Streams)
	}
	return all
}

// watch replaces the streams whose topics are checked.
func (p *presence) watch(all map[string]config.Stream) {
	streams := make(map[string]string)
	var topics []string
	creates := false
	for name, stream := range all {
		// Topics of tenants come and go with the tenants.
		if stream.Cluster == p.cluster.name && !strings.Contains(stream.Topic, hub.TenantPlaceholder) {
			streams[name] = stream.Topic
			topics = append(topics, stream.Topic)
			creates = creates || stream.Partitions > 0
		}
	}
	slices.Sort(topics)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.streams, p.topics, p.creates = streams, slices.Compact(topics), creates
	p.asked, p.missing, p.none = time.Time{}, nil, false
}

// check is the readiness check of the cluster. However often it is called, it checks
// all topics no more often than the periodic checks run; in between it checks one
// topic.
func (p *presence) check(ctx context.Context) error {
	p.mu.Lock()
	all := p.topics
	ask := all
	if len(ask) == 0 {
		p.mu.Unlock()
		return nil // no stream is read from the cluster
	}
	every := p.every
	if p.none {
		every = min(every, noneEvery)
	}
	// Ticks are not exact.
	if time.Since(p.asked) < every*3/4 {
		ask = ask[:1]
	}
	p.mu.Unlock()
	began := time.Now()
	missing, err := p.cluster.source.Missing(ctx, ask)
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(ask) == len(p.topics) && slices.Equal(all, p.topics) && !began.Before(p.asked) {
		p.asked, p.missing = began, missing
		for _, certain := range missing {
			if !certain {
				p.asked = time.Time{} // it is asked again soon, until it is certain
			}
		}
		p.seen = p.seen || len(missing) < len(p.topics)
		// A topic that never existed need not be certainly missing for the check to
		// fail.
		p.none = len(missing) == len(p.topics)
		for _, certain := range missing {
			p.none = p.none && (certain || !p.seen)
		}
		for stream, topic := range p.streams {
			p.hub.NoteMissing(stream, missing[topic])
		}
	}
	if p.none {
		names := p.topics
		if len(names) > 3 {
			names = append(slices.Clone(names[:3]), "…")
		}
		cure := "create the topics, or correct the broker addresses"
		if p.creates {
			cure = "the server creates those with partitions, and logs what prevents it; create the others, or correct the broker addresses"
		}
		return fmt.Errorf("%w (%s): %s", errNoTopics, strings.Join(names, ", "), cure)
	}
	return nil
}

// beforeStart is check for a server that is yet to start: the topics that it will create
// then are not missing.
func (p *presence) beforeStart(ctx context.Context) error {
	err := p.check(ctx)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.creates && errors.Is(err, errNoTopics) {
		return nil
	}
	return err
}

// degraded returns an error for each stream whose topic is certainly missing.
func (p *presence) degraded() map[string]error {
	p.mu.Lock()
	defer p.mu.Unlock()
	failed := make(map[string]error)
	for stream, topic := range p.streams {
		if p.missing[topic] {
			failed[stream] = fmt.Errorf("topic %q does not exist in kafka cluster %s: create the topic", topic, p.cluster.name)
		}
	}
	return failed
}
