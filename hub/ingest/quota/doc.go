// Package quota limits what clients publish: records and bytes in a second, with a burst,
// and publishes at once, by principal, by client address and by stream. [Quotas] is a step
// of an ingest.Pipeline, and should be its first, so that records that are refused for
// another reason count too.
//
// # Guarantees
//
//   - Over any span of time t, no more than rate×t + rate×burst is admitted by a quota of
//     this instance.
//   - A batch is admitted as a whole or not at all, by all quotas that apply to it. What is
//     refused uses up nothing.
//   - The wait in a refusal is exact: at its end the batch is admitted, unless others have
//     used the quota meanwhile. A batch that can never be admitted is refused as such.
//   - Memory is bounded by Config.Tracked clients. A client is forgotten only once its
//     quota is whole again, so that nobody gets anything by having others forgotten. When
//     there are too many for that, the newcomers of a tenant share a number of quotas, by a
//     hash with a secret seed, until those before them have rested.
//   - The quotas of tenants are apart.
//
// # Shared quotas
//
// A quota with [Rule.Shared] is the ceiling for all instances together. Each instance has a
// share of it, and publishes are counted against the share without asking anybody.
// [Quotas.Run] renews the shares of what is in use each Config.Every: it tells the [Sharer]
// how much of each quota was asked for here, and gets the share to go on with. Shares are
// max-min fair: nobody gets more than it asks for while another gets less than an equal
// part, and what nobody asks for is spread evenly.
//
// A quota that is used here for the first time starts with the part of the quota that one
// of all known instances has, until its first renewal. The same part is used while the
// Sharer is unavailable, with the last known number of instances. So a ceiling holds
// without the Sharer too if the load is spread; otherwise clients get less than their
// quota, never more. A share that was obtained before an outage holds until it lapses, three
// times Config.Every after it was renewed.
//
// The ceiling can be exceeded when a quota comes into use on one more instance: by the first
// share of that instance, for up to two times Config.Every, which is how long the others may
// take to see it. On each instance, one batch may be larger than the instance's share of the
// burst, if it is not larger than the whole burst; the instance then admits nothing until
// it is paid for.
//
// # Why these buckets
//
// golang.org/x/time/rate cannot take from several buckets or none, nor admit a batch larger
// than a share of the burst, and a Redis script for each publish (redis_rate) costs a round
// trip. A bucket is two multiplications.
//
// # Goroutines
//
// New starts none. Run works in its caller's goroutine. All methods can be called
// concurrently.
//
// # Files
//
// A file uses the files listed after it.
//
//	run.go      Run: renewing the shares of this instance
//	step.go     the step of the pipeline: Check, Settled
//	left.go     what a publisher has left
//	quotas.go   Config, Quotas
//	table.go    the counts of all clients, within a bound
//	count.go    what is counted for one client or stream
//	bucket.go   a token bucket
//	rules.go    Rule, Rules: what is admitted
package quota
