// Package cursors keeps named cursors: a position that is kept for a principal
// under a name, and that acks move. At any time one subscription holds the lease
// of a name; a subscription that takes the name later supersedes it.
//
// A Committer collects the acks of an instance and writes them to a Store in one
// round trip; the store decides, by fences, which lease is the latest among
// several instances. Committer.Run starts two goroutines, which it waits for: one
// listens for names that were taken elsewhere, one checks the fences after a time
// in which takes may have been missed.
//
// # Files
//
// A file uses the files listed after it.
//
//	moving.go     moving and removing names from outside
//	committer.go  Committer, Lease: collecting acks, holding names
//	missed.go     takes that were missed
//	listing.go    Lister: which names are stored
//	store.go      Key, Commit, Store: what is kept, and where
//	ack.go        Ack, Breaks: the acknowledged position, and in which log
package cursors
