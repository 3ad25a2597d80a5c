// Package redisstore keeps named cursors in Redis: a single server, one behind
// Sentinel, or a Cluster, version 5 or later. It implements hub.CursorStore.
//
// # What is kept
//
// A name is one hash, so that all its data stands in one slot of a Cluster:
//
//	<prefix>cursor:{principal/stream/name}
//	    topic   the topic's id in hexadecimal digits
//	    at      when the position was made, Unix milliseconds
//	    fence   who may ack
//	    p<n>    partition n: next offset and leader epoch, "118274:5"
//	    breaks  the fence of who had been told that all positions of before are
//	            void, and how often it had been, when it acked last: "1795…:1"
//	    b<n>    the same of partition n
//
// The three parts are percent-encoded, so that none can pose as another. Every
// commit and every Take gives the hash its full time to live again.
//
// # Guarantees
//
// Each method is one Lua script on one key, hence atomic. Commits are
// idempotent. Within one topic those without a fence commute: in whatever order
// and however often those of several writers arrive, each partition ends at the
// highest (epoch, offset) of them, as a higher offset of an earlier epoch is of
// a log that was cut short since. Those of one fence commute too: each partition
// ends at the highest (breaks, offset, epoch), as a subscription that was told
// that its log was cut short acks offsets anew. Where both kinds meet, the
// higher offset stands until a break is told. Partitions that a commit does not
// name keep what they have. A commit in another topic than the stored one replaces it, unless
// the position is known to be the older of the two.
//
// A fence is the server's time in microseconds, and always above the stored
// one, so that none is given out again after a name was deleted or ran out;
// Delete leaves the fence behind, for as long as a position would have lived.
// Only a name that ran out before the server's clock was set back can repeat
// one.
//
// When Redis has lost data (restarted empty, a failover that lost a second, a
// time to live that ran out) nothing in it says who may ack. The rule then is:
//   - where no fence is stored, a commit is accepted and its fence stored, so
//     that a live subscription's acks go on without its noticing;
//   - a commit with a higher fence than the stored one is by somebody who took
//     the name later than the store knows. It takes the name again, and its
//     position replaces the stored one as a whole, because that may have been
//     moved by one who had been superseded;
//   - a commit with a lower fence is ErrSuperseded, as always.
//
// So a lost Redis makes a cursor repeat records or be lost, and never lead
// what its owner has acked for longer than until that owner's next ack.
//
// # While Redis is away
//
// Calls are tried once, with Config.Timeout for all of it. After three in a
// row have failed, a circuit breaker answers at once with
// hub.ErrStoreUnavailable and lets one call a second through to look.
//
// # Goroutines
//
// New starts none. Superseded runs in its caller's goroutine and returns when
// its context ends. Close ends what go-redis holds.
//
// # Files
//
// A file uses those behind it. The scripts are the files *.lua.
//
//	superseded.go  Superseded: Pub/Sub
//	probe.go       Check: can cursors be written?
//	commit.go      Commit, in pipelines
//	cursor.go      Load, Take, Delete
//
//	position.go    a position as the fields of a hash
//	key.go         names of keys, and names in messages
//
//	store.go       Config, New, the circuit breaker
//	dial.go        go-redis options: single, Sentinel, Cluster; timeouts
package redisstore
