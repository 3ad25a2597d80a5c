package wire

import (
	"log/slog"
	"time"

	"sluice/hub/ingest"
)

// Limits bound what a client may send. A limit of 0 means no limit, but JSON
// deeper than event.MaxDataDepth is always refused, as it could not be sent to
// any client.
type Limits struct {
	// MessageBytes bounds a message or a body.
	MessageBytes int
	// Depth bounds the nesting of arrays and objects, including the message
	// itself.
	Depth int
	// Keys bounds the total number of fields of all objects in a message, not counting
	// those of the records of a batch, and likewise in each of these records.
	Keys int
	// Records bounds the records of a batch.
	Records int
}

// Request is a message that a client sends over a WebSocket: *Auth, *Subscribe,
// *SubscribeMany, *Unsubscribe, *PauseDelivery, *ResumeDelivery, *Ack, *Publish, *Ping or *Pong.
type Request interface {
	// RequestID returns the id for the response; it can be empty only for *Ping
	// and *Pong.
	RequestID() string
}

// Token is a credential. It prints as redacted.
type Token string

const redacted = "[redacted]"

// String keeps the token out of formatted text.
func (Token) String() string { return redacted }

// GoString keeps the token out of %#v.
func (Token) GoString() string { return redacted }

// LogValue keeps the token out of logs.
func (Token) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText keeps the token out of encoded values.
func (Token) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// Auth carries the first credential of a session, or a new one.
type Auth struct {
	ID    string `json:"id" validate:"required,max=64"`
	Token Token  `json:"token" validate:"required"`
}

// Subscribe begins a subscription.
type Subscribe struct {
	ID     string `json:"id" validate:"required,max=64"`
	Stream string `json:"stream" validate:"required,max=128"`
	// LastEventID is the cursor after which the client resumes, empty for none. From is
	// then for the streams of a pattern that the cursor does not have.
	LastEventID string `json:"last_event_id" validate:"-"`
	Reading
	// Ack is empty for AckManual.
	Ack AckMode `json:"ack" validate:"omitempty,oneof=manual auto"`
}

// AckMode is how the named cursor of a subscription moves.
type AckMode string

// The modes.
const (
	// AckManual: the client sends ack messages.
	AckManual AckMode = "manual"
	// AckAuto: what was written before a ping is acked when its pong arrives.
	AckAuto AckMode = "auto"
)

// SubscribeMany begins several subscriptions, each answered under its own id. The
// message's own id is used only for faults of the message as a whole.
type SubscribeMany struct {
	ID            string      `json:"id" validate:"required,max=64"`
	Subscriptions []Subscribe `json:"subscriptions" validate:"min=1,unique=ID,dive"`
}

// Unsubscribe ends the subscription with the id.
type Unsubscribe struct {
	ID string `json:"id" validate:"required,max=64"`
}

// PauseDelivery stops the delivery of the subscription with the id until it is resumed.
type PauseDelivery struct {
	ID string `json:"id" validate:"required,max=64"`
}

// ResumeDelivery continues the paused subscription with the id.
type ResumeDelivery struct {
	ID string `json:"id" validate:"required,max=64"`
}

// Ack moves the named cursor of the subscription with the id.
type Ack struct {
	ID     string `json:"id" validate:"required,max=64"`
	Cursor string `json:"cursor" validate:"required"`
}

// Publish asks for records to be stored.
type Publish struct {
	ID     string `json:"id" validate:"required,max=64"`
	Stream string `json:"stream" validate:"required,max=128"`
	ReplyTo
	// Messages are the records in their order. Values are slices of the client's
	// message, unchanged, unless they were in base64.
	Messages []ingest.Message `json:"-" validate:"-"`
	// Form, if it is not nil, returns the Messages, which depend on how the stream stores
	// CloudEvents: structured or not. Stream is then empty: it is the one that the client
	// has named when it connected.
	Form func(structured bool) ([]ingest.Message, *Error) `json:"-" validate:"-"`
	// Batch means that the records came as `records`, and are answered as a
	// batch, even a single one.
	Batch bool `json:"-"`
}

// ReplyTo is where a client expects the reply to the record that it publishes. The zero
// value is none.
type ReplyTo struct {
	Stream string        `json:"reply" validate:"max=128"`
	Wait   time.Duration `json:"wait"`
}

// ExpectsReply reports whether a reply is expected.
func (r ReplyTo) ExpectsReply() bool { return r.Stream != "" }

// RequestID implements Request.
func (r *Auth) RequestID() string { return r.ID }

// RequestID implements Request.
func (r *Subscribe) RequestID() string { return r.ID }

// RequestID implements Request.
func (r *SubscribeMany) RequestID() string { return r.ID }

// RequestID implements Request.
func (r *Unsubscribe) RequestID() string { return r.ID }

// RequestID implements Request.
func (r *PauseDelivery) RequestID() string { return r.ID }

// RequestID implements Request.
func (r *ResumeDelivery) RequestID() string { return r.ID }

// RequestID implements Request.
func (r *Ack) RequestID() string { return r.ID }

// RequestID implements Request.
func (r *Publish) RequestID() string { return r.ID }

// RequestID implements Request.
func (m *Ping) RequestID() string { return m.ID }

// RequestID implements Request.
func (m *Pong) RequestID() string { return m.ID }
