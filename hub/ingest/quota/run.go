package quota

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"
)

const (
	// leases is how many times Config.Every a share holds without being renewed.
	leases = 3
	// idle is how many times Config.Every a share is kept without being used.
	idle = 10
	// gathering is the part of Config.Every between two renewals of new counts.
	gathering = 20
	// mostShares bounds the shares that are renewed at a time, those most wanted first.
	mostShares = 4096
	// headroom is what an instance wants beyond what it was asked for, so that it can
	// grow, and leastWant what it wants at least.
	headroom, leastWant = 1.25, 0.01
)

// Run renews shares until the context ends, and then gives them up. Without a Sharer it
// only waits.
func (q *Quotas) Run(ctx context.Context) error {
	if q.config.Sharer == nil {
		<-ctx.Done()
		return nil
	}
	ticker := time.NewTicker(q.config.Every)
	defer ticker.Stop()
	available := true
	last := q.config.Now()
	for {
		all := true
		select {
		case <-ctx.Done():
			giving, cancel := context.WithTimeout(context.WithoutCancel(ctx), q.config.Every)
			defer cancel()
			_ = q.giveUp(giving)
			return nil
		case <-ticker.C:
		case <-q.fresh:
			all = false
		}
		now := q.config.Now()
		err := q.renew(ctx, all, max(now.Sub(last), time.Millisecond))
		if all {
			last = now
		}
		switch {
		case err != nil && available && ctx.Err() == nil:
			q.config.Logger.Warn("shared quotas unavailable; each instance has an equal share", "cause", err, "instances", q.known())
		case err == nil && !available:
			q.config.Logger.Info("shared quotas available again")
		}
		available = err == nil || ctx.Err() != nil
		if !all {
			q.rest(ctx)
		}
	}
}

// rest lets more counts without a share gather, so that many newcomers cost few calls.
func (q *Quotas) rest(ctx context.Context) {
	timer := time.NewTimer(q.config.Every / gathering)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

func (q *Quotas) known() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.instances
}

// renewal is a share that is renewed.
type renewal struct {
	count *count
	name  string
	want  float64
}

// renew renews all shares, or those of counts that have none yet, after a time since the
// last renewal of all.
func (q *Quotas) renew(ctx context.Context, all bool, passed time.Duration) error {
	asked := q.wanted(all, passed)
	names, wants := make([]string, len(asked)), make([]float64, len(asked))
	for i, r := range asked {
		names[i], wants[i] = r.name, r.want
	}
	lease := leases * q.config.Every
	until := q.config.Now().Add(lease) // before the call: it lapses here no later than there
	shares, instances, err := q.config.Sharer.Share(ctx, names, wants, lease)
	if err == nil && len(shares) != len(asked) {
		err = errors.New("the store has returned another number of shares")
	}
	if err != nil {
		return err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.instances = max(instances, 1)
	now := q.config.Now()
	for i, r := range asked {
		if r.want > 0 && r.count.sharing && r.count.rule.Shared {
			r.count.lapses = until
			r.count.fit(r.count.rule, min(max(shares[i], leastWant), 1), now)
		}
	}
	return nil
}

// wanted returns how much of each quota to ask for. Those that were not used for long are
// given up.
func (q *Quotas) wanted(all bool, passed time.Duration) []renewal {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := q.config.Now()
	var asked []renewal
	kept := q.sharing[:0]
	for _, c := range q.sharing {
		switch {
		case !c.rule.Shared || now.Sub(c.used) >= idle*q.config.Every:
			c.sharing, c.want, c.asked, c.lapses = false, 0, 0, time.Time{}
			asked = append(asked, renewal{count: c, name: c.key.name()})
			continue
		case all:
			// Less than before is wanted step by step, as the load of a moment can be
			// low by chance.
			c.want = min(max(headroom*c.asked/passed.Seconds(), c.want/2, leastWant), 1)
			c.asked = 0
		case c.lapses.IsZero():
			c.want = min(max(headroom*c.asked/q.config.Every.Seconds(), leastWant), 1)
		default:
			kept = append(kept, c)
			continue
		}
		kept = append(kept, c)
		asked = append(asked, renewal{count: c, name: c.key.name(), want: c.want})
	}
	clear(q.sharing[len(kept):])
	q.sharing = kept
	if len(asked) > mostShares {
		slices.SortFunc(asked, func(a, b renewal) int {
			switch {
			case a.want > b.want:
				return -1
			case a.want < b.want:
				return 1
			}
			return strings.Compare(a.name, b.name)
		})
		asked = asked[:mostShares]
	}
	return asked
}

// giveUp gives up all shares, for the other instances.
func (q *Quotas) giveUp(ctx context.Context) error {
	q.mu.Lock()
	names := make([]string, 0, len(q.sharing))
	for _, c := range q.sharing {
		if !c.lapses.IsZero() && len(names) < mostShares {
			names = append(names, c.key.name())
		}
	}
	q.mu.Unlock()
	_, _, err := q.config.Sharer.Share(ctx, names, make([]float64, len(names)), 0)
	return err
}

// name returns a name of the key that no other key has, for the Sharer.
func (k key) name() string {
	parts := []string{scopeNames[k.by], k.tenant, k.stream, k.granted, k.principal, ""}
	if k.address.IsValid() {
		parts[5] = k.address.String()
	}
	for i, part := range parts {
		parts[i] = nameEscapes.Replace(part)
	}
	return strings.Join(parts, "/")
}

var nameEscapes = strings.NewReplacer("%", "%25", "/", "%2F")
