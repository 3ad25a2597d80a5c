package transport

import (
	"time"
)

// expiryGrace is how long what was written before a token's end may still be on
// its way to a slow client.
const expiryGrace = 3 * time.Second

// Limits bound what clients can do. Sizes are in bytes. 0 is no limit, where
// nothing else is said.
type Limits struct {
	// MessageBytes bounds an inbound message or body.
	MessageBytes int
	// InflatedPerSecond bounds what compressed messages of a session decompress
	// to, in bytes a second.
	InflatedPerSecond int
	// MessageAssembly is how long one may take to come in. Required.
	MessageAssembly time.Duration
	// ControlFramesPerSecond bounds a session's pings and pongs.
	ControlFramesPerSecond int
	// ErrorsPerMinute is how many requests of a session may be at fault.
	ErrorsPerMinute int
	// CursorBytes bounds a cursor's text.
	CursorBytes int
	// JSONDepth and JSONKeys bound inbound JSON.
	JSONDepth, JSONKeys int
	// FirstMessageAuth is how long a session without a credential may wait
	// before it sends one. Required.
	FirstMessageAuth time.Duration
	// PingEvery and PongWithin find out whether a WebSocket is alive. Required.
	PingEvery, PongWithin time.Duration
	// KeepAlive is how long an event stream may be quiet. Required.
	KeepAlive time.Duration
	// WriteProgress is how long a socket may take nothing. Required.
	WriteProgress time.Duration
	// SessionsPerPrincipal and SessionsPerAddress bound sessions of this
	// instance, and pages that wait with them. An anonymous principal is counted by its address only, and an
	// IPv6 address with all of its /64.
	SessionsPerPrincipal, SessionsPerAddress int
	// SubscriptionsPerSession bounds a session's subscriptions.
	SubscriptionsPerSession int
	// KeysPerSession bounds the keys in the filters of a session together.
	KeysPerSession int
	// ResumeWindow is how far back one without a grant to replay may resume.
	ResumeWindow time.Duration
	// PublishesPerSession bounds publishes without an answer.
	PublishesPerSession int
	// PublishTimeout is by when a publish is answered. Required.
	PublishTimeout time.Duration
	// RecordBytes bounds an event to a subscriber.
	RecordBytes int
	// SendBuffer is the size of a socket's buffer in the kernel, 0 for the
	// system's choice.
	SendBuffer int
	// ReclaimAfter is how many sessions have to come in for the memory that they
	// took only for that to be given back to the system, once no more come. That
	// costs a collection of all garbage. 0 is never.
	ReclaimAfter int
}
