// Package redisstore keeps what instances share in Redis: a single server, a server
// behind Sentinel, or a Cluster, version 5 or later. A [Store] keeps named cursors and
// message ids, and implements cursors.Store and once.Store; its [Shares] divide quotas and
// implement quota.Sharer.
//
// # Data
//
// A name is one hash, so that all its data is in one slot of a Cluster:
//
//	<prefix>cursor:{principal/stream/name}
//	    topic   the topic's id in hexadecimal digits
//	    at      when the position was created, Unix milliseconds
//	    fence   the fence of the holder, which may ack
//	    moved   the fence of the last operator who has moved the position
//	    p<n>    partition n: next offset and leader epoch, "118274:5"
//	    breaks  the fence of the last acking holder, and how many times it had
//	            been notified by then that all earlier positions are void: "1795…:1"
//	    b<n>    the same for partition n
//
// If names are limited, those of a principal are a sorted set, by when each expires:
//
//	<prefix>cursors:{principal}
//	    stream/name
//
// A message id is one string; claim.lua says what is in it:
//
//	<prefix>message:{hash of the id and its scope}
//
// It lives for the window of its stream after it was settled, and the lease longer while it
// is claimed. There are no texts of clients in it, except for what is wrong with a dead letter.
//
// The three parts of the name are percent-encoded, so that names cannot collide.
// Every commit and every Take renews the hash's time to live.
//
// The shares of a quota are one hash, and the instances one sorted set:
//
//	<prefix>quota:{scope/tenant/stream/grant/principal/address}
//	    <instance>  what it wants, its share, and when that lapses in Unix
//	                milliseconds: "0.500000 0.333333 1795…"
//	<prefix>quota.instances
//	    <instance>  when it lapses, as its score
//
// They expire with the leases. If they are lost, the instances ask for new shares.
//
// # Guarantees
//
// Commit (for each cursor), Take, Move and Delete are one Lua script on one key each,
// hence atomic. Counting the names of a principal is another one, sent before it: two
// new names at the same instant never pass the limit, but a name that is refused or
// fails after it was counted counts all the same. Commits are idempotent. Within one topic, commits without a fence
// commute: in whatever order and however often those of several writers arrive,
// each partition ends at the highest (epoch, offset) of them, as a higher offset
// of an earlier epoch belongs to a log that has been truncated since. Commits
// with the same fence commute too: each partition ends at the highest (breaks,
// offset, epoch), as a subscription that was notified that its log was truncated
// acks offsets a second time. Between the two kinds, the higher offset is kept
// until a break is notified. Partitions that a commit does not name keep their
// offsets. A commit in another topic than the stored one replaces it, unless the
// position is known to be the older of the two. A commit without a fence is refused if it is
// since before the last move: as fences are times, what a client has read since can be told
// from what it had read before, also after the name was taken again. Only one with Reset makes
// the store forget the move.
//
// A fence is the server's time in microseconds, and always above the stored one,
// so that no fence is used again after a name was deleted or expired; Delete
// leaves the fence behind, for as long as a position would be kept. Only a name
// that expired before the server's clock was set back can repeat a fence.
//
// When Redis has lost data (a restart without data, a failover that lost a
// second, an expired time to live), nothing in it tells which subscription may
// ack. The rules then are:
//
//   - if no fence is stored, a commit is accepted and its fence is stored, so
//     that a live subscription's acks continue to work;
//   - a commit with a higher fence than the stored one comes from a subscription
//     that took the name later than the store knows. It takes the name again, and
//     its position replaces the stored one as a whole, because that may have been
//     moved by a superseded subscription;
//   - a commit with a lower fence fails with ErrSuperseded, as always.
//
// So a loss of data in Redis makes a cursor repeat records, or removes it. A
// cursor can be ahead of what its owner has acked only until that owner's next
// ack.
//
// Claims and settlements of message ids are one command or script on one key each, too.
// Repeating a settlement changes nothing. The lease of a claim is part of its time to live, and
// so by the server's clock. Where Redis has lost a claim, the id is free: a record that is
// published again under it is stored again.
//
// # While Redis is unavailable
//
// Calls are tried once, with Config.Timeout for the whole call. Many commits, claims or
// settlements are several calls, and those behind the first that fails are not tried. After three
// failures in a row, a circuit breaker fails calls at once with
// cursors.ErrStoreUnavailable and lets one call per second through as a probe.
// Quotas go on with the parts that package quota describes.
//
// # Goroutines
//
// New starts none. Superseded runs in its caller's goroutine and returns when its
// context ends. Close ends the goroutines and connections of go-redis.
//
// # Files
//
// A file uses the files listed after it. The scripts are the files *.lua.
//
//	superseded.go  Superseded: Pub/Sub
//	probe.go       Check: whether cursors can be written
//	eviction.go    Eviction: whether Redis deletes keys before their time
//	shares.go      Shares: dividing quotas among instances
//	commit.go      Commit, in pipelines
//	listing.go     List, with SCAN
//	cursor.go      Load, Take, Move, Delete
//	messageids.go  Claim, Settle, in pipelines
//
//	names.go       how many names a principal has
//	scripted.go    running scripts in a pipeline
//	position.go    a position as the fields of a hash
//	key.go         names of keys, and names in messages
//
//	store.go       Config, New, the circuit breaker
//	dial.go        go-redis options: single, Sentinel, Cluster; timeouts
package redisstore
