package app

import (
	"crypto/rand"
	"log/slog"
	"strconv"
	"time"

	"sluice/cmd/sluice/config"
	"sluice/hub/ingest/quota"
	"sluice/hub/redisstore"
)

// newQuotas returns the quotas of a configuration. store divides those that are shared, and
// is nil without Redis.
func newQuotas(c *config.Config, store *redisstore.Store, logger *slog.Logger) (*quota.Quotas, error) {
	made := quota.Config{
		Rules: quotaRules(c), Tracked: c.Quotas.Tracked, Every: c.Quotas.ShareEvery,
		Now: time.Now, Logger: logger.With("component", "quotas"),
	}
	if store != nil {
		shares, err := store.Shares(rand.Text())
		if err != nil {
			return nil, err
		}
		made.Sharer = shares
	}
	return quota.New(made)
}

// quotaRules returns the rules for all streams.
func quotaRules(c *config.Config) quota.Rules {
	rules := quota.Rules{Set: quotaSet(c.Quotas.Scopes)}
	for name, s := range c.Streams {
		if own := quotaSet(s.Quotas); own != (quota.Set{}) {
			if rules.Streams == nil {
				rules.Streams = make(map[string]quota.Set)
			}
			rules.Streams[name] = own
		}
	}
	for i, g := range c.Grants {
		if name := quotaName(i, g); name != "" {
			if rules.Granted == nil {
				rules.Granted = make(map[string]*quota.Rule)
			}
			rules.Granted[name] = quotaRule(g.Quota)
		}
	}
	return rules
}

// quotaName returns the name of the quota of a grant, by its place among the grants.
func quotaName(place int, g config.Grant) string {
	if g.Quota == nil {
		return ""
	}
	return strconv.Itoa(place)
}

func quotaSet(s config.Scopes) quota.Set {
	return quota.Set{Principal: quotaRule(s.Principal), Address: quotaRule(s.Address), Stream: quotaRule(s.Stream)}
}

func quotaRule(q *config.Quota) *quota.Rule {
	if q == nil {
		return nil
	}
	return &quota.Rule{
		Records: q.Records.PerSecond(), Bytes: q.Bytes.PerSecond(), Burst: q.Burst, Concurrent: q.Concurrent, Shared: q.Shared,
	}
}
