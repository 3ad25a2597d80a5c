// Package cursors keeps named cursors: a position that is kept for a principal
// under a name, and moves by acks. At any time one subscription holds the lease of
// a name; whoever takes the name later supersedes it.
//
// A Committer gathers the acks of an instance and writes them to a Store in one
// round trip; the store decides, by fences, which lease of several instances is
// the latest. Committer.Run has two goroutines beside its own, which it waits for:
// one hears which names were taken elsewhere, one asks for fences after a time in
// which that was not heard.
//
// # Files
//
// A file uses those behind it.
//
//	committer.go  Committer, Lease: gathering acks, holding names
//	missed.go     takes that were not heard of
//	store.go      Key, Commit, Store: what is kept, and where
//	ack.go        Ack, Breaks: how far a client has got, and in which log
package cursors
