package hub

import "time"

// Limits bound the memory and the work of all streams together. The limits in force
// are a snapshot, which Hub.SetLimits replaces.
type Limits struct {
	// LogMemory bounds the logs of all streams together, in bytes. 0 for no bound.
	LogMemory int
	// ReplaysPerPrincipal and ReplaysPerInstance bound how many subscriptions read
	// from Kafka at once; others wait their turn. 0 for no bound.
	ReplaysPerPrincipal, ReplaysPerInstance int
	// ReplaysPerTenant is the same for all principals of a tenant. 0 for no bound.
	ReplaysPerTenant int
	// TenantStreams bounds the streams of tenants that are kept at once: those in use,
	// and those that were used lately. 0 for no bound.
	TenantStreams int
	// LateMemory bounds what is kept in memory of the records before the logs, for
	// late subscriptions, in bytes. 0 for no bound.
	LateMemory int
	// LateBytesPerSecond bounds how fast those records are read from Kafka. 0 for no
	// bound.
	LateBytesPerSecond int
	// ResumeWindow is how far back a subscription may resume from a cursor, by the
	// time at which records were written, whatever Request.Replay is. 0 if only
	// Request.Replay counts.
	ResumeWindow time.Duration
	// FilterLag bounds how long records may wait for a costly filter; then its
	// subscriptions end with FilterFailed. 0 for no bound.
	FilterLag time.Duration
	// StoredWithin is how long a subscription that waits for what this instance has stored
	// does so, from when it was stored. 0 for not at all.
	StoredWithin time.Duration
	// StartTimeout bounds how long Subscribe waits for Kafka.
	StartTimeout time.Duration
}
