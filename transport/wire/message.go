package wire

import (
	"time"

	"sluice/hub/jsonscan"
	"sluice/hub/record"
)

// Message is what the server sends as one WebSocket message, one line of NDJSON
// or the data of one server-sent event: a JSON object on one line.
type Message interface {
	// Append appends the JSON text.
	Append(dst []byte) []byte
}

// Welcome opens a WebSocket session.
type Welcome struct {
	Session string
	// Principal is empty for an anonymous principal, and then left out.
	Principal string
	Now       time.Time
	// Expires is when the credential expires, zero for never.
	Expires time.Time
	Ping    time.Duration
	Limits  SessionLimits
}

// SessionLimits are the limits that a session is sent. Sizes are in bytes.
type SessionLimits struct {
	MessageBytes            int
	SubscriptionsPerSession int
	PublishesPerSession     int
	RecordBytes             int
}

// Append implements Message.
func (m *Welcome) Append(dst []byte) []byte {
	o := openMessage(dst, "welcome")
	o.text("session", m.Session)
	o.textIf("principal", m.Principal)
	o.number("now", m.Now.UnixMilli())
	o.timeIf("expires_at", m.Expires)
	if !m.Expires.IsZero() {
		o.millis("expires_in_ms", max(0, m.Expires.Sub(m.Now)))
	}
	o.millis("ping_ms", m.Ping)
	o.name("limits")
	limits := openObject(o.buf)
	limits.number("message_bytes", int64(m.Limits.MessageBytes))
	limits.number("subscriptions_per_session", int64(m.Limits.SubscriptionsPerSession))
	limits.number("publishes_per_session", int64(m.Limits.PublishesPerSession))
	limits.number("record_bytes", int64(m.Limits.RecordBytes))
	o.buf = limits.close()
	return o.close()
}

// Ready opens a stream of server-sent events or NDJSON.
type Ready struct {
	Session string
	Streams []string
	Cursor  string
}

// Append implements Message.
func (m *Ready) Append(dst []byte) []byte {
	o := openMessage(dst, "ready")
	o.text("session", m.Session)
	o.texts("streams", m.Streams)
	o.text("cursor", m.Cursor)
	return o.close()
}

// Subscribed answers a subscribe, and reports a new feed after a renewal.
type Subscribed struct {
	ID     string
	Stream string
	// Feed marks the events of the subscription; it is empty for an unfiltered
	// subscription, whose feed is the stream, and for a pattern.
	Feed string
	// Start tells which of the possible starts was used.
	Start string
	// Pattern means that Stream is a pattern, and Members are its streams.
	Pattern bool
	Members []Member
	// Short means that there were fewer records than `last:N` asked for.
	Short bool
	// Recovered means that nothing is missing between the given cursor and what
	// follows.
	Recovered bool
	Cursor    string
}

// Append implements Message.
func (m *Subscribed) Append(dst []byte) []byte {
	o := openMessage(dst, "subscribed")
	o.text("id", m.ID)
	o.text("stream", m.Stream)
	if m.Feed != "" {
		o.text("feed", m.Feed)
	} else {
		o.text("feed", m.Stream)
	}
	if m.Pattern {
		o.members("streams", m.Members)
	}
	o.text("start", m.Start)
	o.flagIf("short", m.Short)
	o.flag("recovered", m.Recovered)
	o.text("cursor", m.Cursor)
	return o.close()
}

// Unsubscribed reports the end of a subscription.
type Unsubscribed struct {
	ID        string
	Reason    Reason
	Retryable bool
	// Message says why, for people; empty for ReasonRequested.
	Message string
	// Cursor is empty if there is no position to continue from.
	Cursor string
}

// Reason is why a subscription ended.
type Reason string

// The reasons.
const (
	ReasonRequested    Reason = "requested"
	ReasonForbidden    Reason = "forbidden"
	ReasonLogChanged   Reason = "log_changed"
	ReasonRetention    Reason = "retention"
	ReasonTruncated    Reason = "truncated"
	ReasonSuperseded   Reason = "superseded"
	ReasonMoved        Reason = "moved"
	ReasonSlowConsumer Reason = "slow_consumer"
	ReasonFilterFailed Reason = "filter_failed"
	ReasonChanged      Reason = "stream_changed"
	// ReasonRightsChanged: the principal may still read the stream, but other records
	// of it.
	ReasonRightsChanged Reason = "rights_changed"
	ReasonError         Reason = "error"
)

// Retryable reports whether the client can subscribe again with the cursor.
func (r Reason) Retryable() bool {
	return r == ReasonRequested || r == ReasonSlowConsumer || r == ReasonChanged || r == ReasonRightsChanged
}

// Append implements Message.
func (m *Unsubscribed) Append(dst []byte) []byte {
	o := openMessage(dst, "unsubscribed")
	o.text("id", m.ID)
	o.text("reason", string(m.Reason))
	o.textIf("message", m.Message)
	o.flag("retryable", m.Retryable)
	o.textIf("cursor", m.Cursor)
	return o.close()
}

// Paused reports that a subscription is paused: nothing of it follows until Resumed.
type Paused struct {
	ID     string
	Cursor string
}

// Append implements Message.
func (m *Paused) Append(dst []byte) []byte {
	o := openMessage(dst, "paused")
	o.text("id", m.ID)
	o.text("cursor", m.Cursor)
	return o.close()
}

// Resumed reports that a subscription goes on after a cursor.
type Resumed struct {
	ID     string
	Cursor string
}

// Append implements Message.
func (m *Resumed) Append(dst []byte) []byte {
	o := openMessage(dst, "resumed")
	o.text("id", m.ID)
	o.text("cursor", m.Cursor)
	return o.close()
}

// Cursor reports a feed's position: everything before it has been sent.
type Cursor struct {
	// Feed is empty outside WebSocket sessions, where the cursor is that of all
	// streams, and then left out.
	Feed   string
	Cursor string
}

// Append implements Message.
func (m *Cursor) Append(dst []byte) []byte {
	o := openMessage(dst, "cursor")
	o.textIf("feed", m.Feed)
	o.text("cursor", m.Cursor)
	return o.close()
}

// AppendCursorData appends the data of a sluice.cursor event.
func AppendCursorData(dst []byte, cursor string) []byte {
	o := openObject(dst)
	o.text("cursor", cursor)
	return o.close()
}

// CaughtUp reports that the subscription has reached the tip of the time at which
// it began.
type CaughtUp struct {
	// ID is empty outside WebSocket sessions.
	ID     string
	Cursor string
}

// Append implements Message.
func (m *CaughtUp) Append(dst []byte) []byte {
	o := openMessage(dst, "caught_up")
	o.textIf("id", m.ID)
	o.text("cursor", m.Cursor)
	return o.close()
}

// Gap reports records that will not be delivered.
type Gap struct {
	// Feed is empty for an unfiltered subscription.
	Feed   string
	Stream string
	record.Gap
}

// Append implements Message.
func (m *Gap) Append(dst []byte) []byte {
	o := openMessage(dst, "gap")
	o.textIf("feed", m.Feed)
	o.text("stream", m.Stream)
	o.number("partition", int64(m.Partition))
	o.number("from", m.From)
	o.number("to", m.To)
	o.text("reason", string(m.Reason))
	return o.close()
}

// Status reports whether a stream is read from Kafka at present.
type Status struct {
	Stream string
	Live   bool
	Since  time.Time
}

// Append implements Message.
func (m *Status) Append(dst []byte) []byte {
	o := openMessage(dst, "status")
	o.text("stream", m.Stream)
	o.flag("live", m.Live)
	o.timeIf("since", m.Since)
	return o.close()
}

// TokenExpiring asks for a renewal.
type TokenExpiring struct {
	ExpiresIn time.Duration
}

// Append implements Message.
func (m *TokenExpiring) Append(dst []byte) []byte {
	o := openMessage(dst, "token_expiring")
	o.millis("expires_in_ms", m.ExpiresIn)
	return o.close()
}

// Authenticated answers an auth. ExpiresIn is 0 for a credential that does not
// expire, and then left out.
type Authenticated struct {
	ID        string
	ExpiresIn time.Duration
}

// Append implements Message.
func (m *Authenticated) Append(dst []byte) []byte {
	o := openMessage(dst, "authenticated")
	o.text("id", m.ID)
	o.millisIf("expires_in_ms", m.ExpiresIn)
	return o.close()
}

// Acked answers an ack once the cursor is stored.
type Acked struct {
	ID     string
	Cursor string
}

// Append implements Message.
func (m *Acked) Append(dst []byte) []byte {
	o := openMessage(dst, "acked")
	o.text("id", m.ID)
	o.text("cursor", m.Cursor)
	return o.close()
}

// Ping is a ping that scripts can see. ID may be empty.
type Ping struct{ ID string }

// Append implements Message.
func (m *Ping) Append(dst []byte) []byte {
	o := openMessage(dst, "ping")
	o.textIf("id", m.ID)
	return o.close()
}

// Pong answers a client's ping and has its id.
type Pong struct{ ID string }

// Append implements Message.
func (m *Pong) Append(dst []byte) []byte {
	o := openMessage(dst, "pong")
	o.textIf("id", m.ID)
	return o.close()
}

// Drain asks a client to reconnect to another instance.
type Drain struct {
	Reconnect time.Duration
}

// Append implements Message.
func (m *Drain) Append(dst []byte) []byte {
	o := openMessage(dst, "drain")
	o.millis("reconnect_ms", m.Reconnect)
	return o.close()
}

// Closing precedes every close by the server.
type Closing struct {
	// Code is empty if there is no fault.
	Code Code
	// Message says why, for people.
	Message string
	// Close is the WebSocket close code that follows, 0 outside WebSocket.
	Close int
	// Action is what the client should do; empty for the code's own action.
	Action     Action
	RetryAfter time.Duration
	// Cursor is where to continue, outside WebSocket.
	Cursor string
	// Forget makes an EventSource come back without its Last-Event-ID. It is not
	// part of the text.
	Forget bool
	// Cursors are where to continue, by subscription.
	Cursors []SubscriptionCursor
}

// SubscriptionCursor is the position of the subscription with the id.
type SubscriptionCursor struct {
	ID     string
	Cursor string
}

// Append implements Message.
func (m *Closing) Append(dst []byte) []byte {
	o := openMessage(dst, "closing")
	o.textIf("code", string(m.Code))
	o.textIf("message", m.Message)
	if m.Close != 0 {
		o.number("close", int64(m.Close))
	}
	action := m.Action
	if action == "" && m.Code != "" {
		action = m.Code.Info().Action
	}
	o.textIf("action", string(action))
	o.millisIf("retry_after_ms", m.RetryAfter)
	o.textIf("cursor", m.Cursor)
	if len(m.Cursors) > 0 {
		o.name("cursors")
		o.buf = append(o.buf, '{')
		for i, c := range m.Cursors {
			if i > 0 {
				o.buf = append(o.buf, ',')
			}
			o.buf = jsonscan.AppendString(o.buf, c.ID)
			o.buf = append(o.buf, ':')
			o.buf = jsonscan.AppendString(o.buf, c.Cursor)
		}
		o.buf = append(o.buf, '}')
	}
	return o.close()
}
