package config

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/go-playground/validator/v10"
)

// Quotas limit what clients publish. A section that is left out limits nothing.
type Quotas struct {
	Scopes     `koanf:",squash"`
	Tracked    int           `koanf:"tracked" default:"100000" validate:"between=1000..10000000" unit:"clients" doc:"principals, addresses and streams with quotas of their own, of which each takes about 400 bytes while it is used. One is forgotten only once its quota is whole again. If that makes no room, newcomers have 1024 quotas together, for each kind, and those of a tenant 32 of their own"`
	ShareEvery time.Duration `koanf:"share_every" default:"1s" validate:"between=100ms..1m" doc:"how often instances renew their shares of quotas with shared: true. Without Redis, a share lapses after three times as long, and then each instance has an equal part"`
}

// Scopes has the quotas by whom they count.
type Scopes struct {
	Principal *Quota `koanf:"principal" doc:"what a principal may publish. Anonymous clients count by their address only"`
	Address   *Quota `koanf:"address" doc:"what clients of one address, or IPv6 /64, may publish, determined with trusted_proxies"`
	Stream    *Quota `koanf:"stream" doc:"what all clients together may publish to a stream, of a tenant if its topic has {tenant}"`
}

// Quota is what may be published.
type Quota struct {
	Records    Rate          `koanf:"records" validate:"omitempty,between=1/h..10000000/s" doc:"records in a time, such as 100/s, 30/m or 10/h; 0 means no limit"`
	Bytes      ByteRate      `koanf:"bytes" validate:"omitempty,between=1KiB/h..16GiB/s" doc:"bytes of keys, values and headers in a time, such as 1MiB/s; 0 means no limit"`
	Burst      time.Duration `koanf:"burst" default:"2s" validate:"between=1s..1h" doc:"how long unused records and bytes add up: with 100/s and 2s, up to 200 records are accepted at once. A larger batch is refused with too_large"`
	Concurrent int           `koanf:"concurrent" default:"0" validate:"omitempty,between=1..1000000" unit:"publishes" doc:"publishes in flight on this instance; 0 means no limit"`
	Shared     bool          `koanf:"shared" default:"false" doc:"records and bytes are the ceiling for all instances together, of which each has a share by its load; requires redis. Otherwise they hold on each instance"`
}

// checkQuota checks that a quota limits something.
func checkQuota(level validator.StructLevel) {
	q := level.Current().Interface().(Quota)
	switch {
	case q.Records == 0 && q.Bytes == 0 && q.Concurrent == 0:
		conflict(level, "records", "the quota limits nothing: set records, bytes or concurrent")
	case q.Shared && q.Records == 0 && q.Bytes == 0:
		conflict(level, "shared", "has no effect on concurrent, which holds on each instance: set records or bytes")
	}
}

// each calls a function with the quotas that are set, and their names.
func (s Scopes) each(f func(name string, q *Quota)) {
	for _, one := range []struct {
		name  string
		quota *Quota
	}{{"principal", s.Principal}, {"address", s.Address}, {"stream", s.Stream}} {
		if one.quota != nil {
			f(one.name, one.quota)
		}
	}
}

// checkQuotas checks that shared quotas can be shared, and that the smallest burst of bytes
// leaves room for a record.
func checkQuotas(c *Config, f *faults) {
	check := func(path string) func(string, *Quota) {
		return func(name string, q *Quota) {
			if q.Shared && !c.Redis.Configured() && !f.below("redis") {
				f.addOnce(join(path, name)+"/shared", "requires redis, which divides the quota among the instances. Set redis/url, or remove shared")
			}
			if least := int64(q.Bytes.PerSecond() * q.Burst.Seconds()); q.Bytes > 0 && least < leastBurstBytes {
				f.addOnce(join(path, name)+"/burst", "%s for %s are %d bytes at once, in which few records fit: allow at least %d", q.Bytes, FormatDuration(q.Burst), least, leastBurstBytes)
			}
			if q.Records > 0 && q.Records.PerSecond()*q.Burst.Seconds() < 1 {
				f.addOnce(join(path, name)+"/burst", "%s for %s are less than one record: no record could be published", q.Records, FormatDuration(q.Burst))
			}
		}
	}
	c.Quotas.each(check("quotas"))
	for i := range c.Grants {
		if q := c.Grants[i].Quota; q != nil {
			check(fmt.Sprintf("grants/%d", i))("quota", q)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.Streams)) {
		c.Streams[name].Quotas.each(check(join("streams", name) + "/quotas"))
	}
}

// leastBurstBytes is the least number of bytes that a quota may accept at once.
const leastBurstBytes = 1 << 10
