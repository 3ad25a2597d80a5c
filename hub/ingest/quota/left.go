package quota

import (
	"math"

	"sluice/hub/ingest"
)

// Left returns what a publisher has left in a stream of the quotas of its principal and its
// address. What a stream has left depends on others, and is not the publisher's to know.
func (q *Quotas) Left(stream string, by *ingest.Publisher) []ingest.Allowance {
	rules, network, now := q.rules.Load(), networkOf(by.Address), q.config.Now()
	var all []ingest.Allowance
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, scope := range [...]scope{byPrincipal, byAddress} {
		k, rule, ok := keyOf(rules, scope, stream, by, network)
		if !ok {
			continue
		}
		c := q.count(k, rule, now)
		for _, one := range [...]struct {
			unit   string
			rate   float64
			bucket *bucket
		}{{"records", rule.Records, &c.records}, {"bytes", rule.Bytes, &c.bytes}} {
			if one.rate == 0 {
				continue
			}
			one.bucket.advance(now)
			all = append(all, ingest.Allowance{
				Scope: scopeNames[scope], Unit: one.unit,
				Most: int64(one.rate * rule.Burst.Seconds()), Window: rule.Burst,
				Left: int64(max(math.Floor(one.bucket.level+rounding), 0)), Full: one.bucket.until(one.bucket.burst),
			})
		}
	}
	return all
}
