package quota

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"sluice/hub/ingest"
)

// Config configures Quotas. All fields without a remark are required.
type Config struct {
	Rules Rules
	// Tracked bounds how many principals, addresses and streams have counts of their own,
	// of some 400 bytes each.
	Tracked int
	// Sharer gives the shares of shared rules. Nil if there is one instance.
	Sharer Sharer
	// Every is how often shares are renewed. Required with a Sharer.
	Every  time.Duration
	Now    func() time.Time
	Logger *slog.Logger
}

// Sharer divides shared quotas among the instances.
type Sharer interface {
	// Share says how much of each quota this instance wants, as a part of the whole, 0 to
	// have no share any more. It returns the parts that the instance has until lease has
	// passed, and how many instances there are.
	Share(ctx context.Context, names []string, wants []float64, lease time.Duration) (shares []float64, instances int, err error)
}

// Quotas admit what clients publish. They are a step of an ingest.Pipeline.
type Quotas struct {
	config Config
	rules  atomic.Pointer[Rules]
	fresh  chan struct{} // signals Run that a count has no share yet

	mu        sync.Mutex
	table     *table
	held      map[*ingest.Batch][scopes]*count // of the batches that are in flight
	sharing   []*count                         // whose shares are renewed
	instances int                              // the last known number
}

var _ ingest.Step = (*Quotas)(nil)

// New returns the quotas of an instance.
func New(config Config) (*Quotas, error) {
	switch {
	case config.Tracked <= 0:
		return nil, errors.New("new quotas: a number of clients to track is required")
	case config.Now == nil || config.Logger == nil:
		return nil, errors.New("new quotas: a clock and a logger are required")
	case config.Sharer != nil && config.Every <= 0:
		return nil, errors.New("new quotas: how often shares are renewed is required")
	}
	q := &Quotas{
		config: config, table: newTable(config.Tracked), held: make(map[*ingest.Batch][scopes]*count),
		fresh: make(chan struct{}, 1), instances: 1,
	}
	q.SetRules(config.Rules)
	return q, nil
}

// SetRules replaces the rules. What clients have used counts on.
func (q *Quotas) SetRules(r Rules) { q.rules.Store(&r) }

// keyOf returns what a batch counts as in a scope, and the rule for it. It reports false if
// the batch does not count there.
func keyOf(r *Rules, by scope, stream string, publisher *ingest.Publisher, network netip.Addr) (k key, rule *Rule, counts bool) {
	rule, own := r.rule(by, stream)
	k = key{by: by, tenant: publisher.Tenant}
	if granted := r.Granted[publisher.Quota]; by == byPrincipal && granted != nil {
		rule, own, k.granted = granted, false, publisher.Quota
	}
	if !rule.limits() {
		return key{}, nil, false
	}
	switch by {
	case byPrincipal:
		// An anonymous one is its address.
		if k.principal = publisher.Principal; publisher.Subject == "" || k.principal == "" {
			return key{}, nil, false
		}
	case byAddress:
		if k.address = network; !network.IsValid() {
			return key{}, nil, false
		}
	}
	if own {
		k.stream = stream
	}
	return k, rule, true
}

// networkOf returns what an address counts as: an IPv6 address as its /64, which is what
// one client has.
func networkOf(text string) netip.Addr {
	address, err := netip.ParseAddr(text)
	if err != nil {
		return netip.Addr{}
	}
	if address = address.Unmap().WithZone(""); address.Is6() {
		return netip.PrefixFrom(address, 64).Masked().Addr()
	}
	return address
}

// count returns the count of a key, as its rule is now. The lock is held.
func (q *Quotas) count(k key, rule *Rule, now time.Time) *count {
	c, alone := q.table.of(k, now)
	share := 1.0
	if rule.Shared && q.config.Sharer != nil {
		switch {
		case !alone || c.lapses.IsZero() || !now.Before(c.lapses):
			share = 1 / float64(q.instances)
		default:
			share = c.share
		}
		if alone && !c.sharing {
			q.join(c)
		}
	}
	c.fit(rule, share, now)
	return c
}

// join has the shares of a count renewed. The lock is held.
func (q *Quotas) join(c *count) {
	c.sharing = true
	q.sharing = append(q.sharing, c)
	select {
	case q.fresh <- struct{}{}:
	default:
	}
}
