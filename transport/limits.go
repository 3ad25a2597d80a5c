package transport

import (
	"errors"
	"time"
)

// expiryGrace is how long data that was written before a token's expiry may still be
// in transit to a slow client.
const expiryGrace = 3 * time.Second

// Limits bound what clients can do. The limits in force are a snapshot, which
// Server.SetLimits replaces. Sizes are in bytes. 0 is no limit, unless the field
// says otherwise.
type Limits struct {
	// MessageBytes bounds an inbound message or body.
	MessageBytes int
	// InflatedPerSecond bounds the decompressed size of a session's compressed
	// messages, in bytes per second.
	InflatedPerSecond int
	// InflateRatio is how many times of what was sent a body may inflate to whose records
	// are published while it arrives, beyond MessageBytes.
	InflateRatio int
	// InflateMemory bounds the memory of the windows of such bodies.
	InflateMemory int
	// MessageAssembly is how long a message or body may take to arrive. Required.
	MessageAssembly time.Duration
	// ControlFramesPerSecond bounds a session's pings and pongs.
	ControlFramesPerSecond int
	// ErrorsPerMinute is how many requests of a session may be at fault in a minute.
	// Faults that can be retried do not count.
	ErrorsPerMinute int
	// CursorBytes bounds a cursor's text.
	CursorBytes int
	// JSONDepth and JSONKeys bound inbound JSON; JSONKeys each record of a batch.
	JSONDepth, JSONKeys int
	// BatchRecords bounds the records of a batch.
	BatchRecords int
	// FirstMessageAuth is how long a session without a credential may wait before it
	// sends one. Required.
	FirstMessageAuth time.Duration
	// PingEvery and PongWithin detect whether a WebSocket is alive. Required.
	PingEvery, PongWithin time.Duration
	// KeepAlive is how long an event stream may send nothing. Required.
	KeepAlive time.Duration
	// WriteProgress is how long a socket may accept no data. Required.
	WriteProgress time.Duration
	// SessionsPerPrincipal and SessionsPerAddress bound the sessions of this
	// instance, including long-polling pages. An anonymous principal is counted by
	// its address only, and an IPv6 address by its /64.
	SessionsPerPrincipal, SessionsPerAddress int
	// SessionsPerTenant is the same for all clients of a tenant.
	SessionsPerTenant int
	// TenantMetrics bounds the tenants with metrics of their own. 0 is none.
	TenantMetrics int
	// HandshakesPerAddress is how many TLS handshakes, and how many sessions, clients of
	// one address may begin a second, beyond as many at once as SessionsPerAddress. An
	// IPv6 address counts by its /64. Without SessionsPerAddress there is no limit.
	HandshakesPerAddress int
	// SubscriptionsPerSession bounds a session's subscriptions. One by pattern counts
	// as many as it has streams, and at least one.
	SubscriptionsPerSession int
	// StreamsPerPattern bounds the streams of a subscription by pattern, each of which
	// is also one of the session's subscriptions.
	StreamsPerPattern int
	// FiltersPerSession bounds the subscriptions of a session whose filters have to be
	// evaluated on each record.
	FiltersPerSession int
	// KeysPerSession bounds the total of keys and field values in the filters of a
	// session.
	KeysPerSession int
	// ResumeWindow is how far back a client without a replay grant may resume.
	ResumeWindow time.Duration
	// PageCache is how long caches may store a full page of history that is the same
	// for everybody. 0 is not at all.
	PageCache time.Duration
	// PageBytes is about the maximum size of a page. Required.
	PageBytes int
	// PageMemory bounds the memory of pages that are being sent.
	PageMemory int
	// PublishesPerSession bounds the publishes that are not yet answered.
	PublishesPerSession int
	// RepliesPerSession bounds the replies that a session waits for.
	RepliesPerSession int
	// PublishesPerTenant is the same for all clients of a tenant.
	PublishesPerTenant int
	// PublishTimeout is the time within which a publish is answered. Required.
	PublishTimeout time.Duration
	// ShedAfter is how long new records may wait for their delivery by this instance before
	// publishes are refused.
	ShedAfter time.Duration
	// RecordBytes bounds the size of an event sent to a subscriber.
	RecordBytes int
	// SendBuffer is the size of a socket's send buffer in the kernel, 0 for the
	// system's default.
	SendBuffer int
	// ReclaimAfter is how many sessions have to be opened before the memory that was
	// needed only to open them is returned to the system, once no more are being
	// opened. Returning it costs a full garbage collection. 0 is never.
	ReclaimAfter int
}

// check reports what is missing.
func (l *Limits) check() error {
	if l.MessageAssembly <= 0 || l.FirstMessageAuth <= 0 || l.PingEvery <= 0 || l.PongWithin <= 0 || l.KeepAlive <= 0 ||
		l.WriteProgress <= 0 || l.PublishTimeout <= 0 {
		return errors.New("the durations in Limits are required")
	}
	if l.PageBytes <= 0 {
		return errors.New("PageBytes in Limits is required")
	}
	return nil
}
