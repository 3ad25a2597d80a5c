package client

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// Event is an event of a subscription: a Record, Gap, CaughtUp, Status,
// Subscribed, Streams, Disconnected or Acked. More kinds may be added.
type Event interface{ event() }

// Record is a Kafka record.
type Record struct {
	Stream    string
	Partition int32
	Offset    int64
	// Time is the record's timestamp, zero if it has none.
	Time time.Time
	// Key is nil for a null key.
	Key     []byte
	Headers []Header
	// Data is the value as JSON, as the server sent it. Encoding and the stream's
	// content determine what it means.
	Data json.RawMessage
	// Encoding is "" if Data is the value itself, "text" if Data is a JSON string
	// that contains the value, "base64" if the string contains the value in
	// base64.
	Encoding string
	// Tombstone means that the value is null.
	Tombstone bool
	// Redacted means that the value is withheld as a whole. Data is null.
	Redacted bool
	// Undecrypted are the paths of what could not be decrypted, which is null: a JSON
	// Pointer into the value, headers.NAME, or data for the whole value.
	Undecrypted []string
	// Wire is the event as the server sent it, with Request.Wire only.
	Wire json.RawMessage
}

// Value returns the record's value in bytes: Data if Encoding is empty, the
// decoded string otherwise, and nil for a tombstone and a value that is withheld, or that
// could not be decrypted as a whole. In a stream whose content is text, values are JSON strings without an Encoding: unmarshal Data there.
func (r Record) Value() ([]byte, error) {
	if r.Tombstone || r.Redacted || slices.Contains(r.Undecrypted, "data") {
		return nil, nil
	}
	if r.Encoding == "" {
		return r.Data, nil
	}
	var text string
	if err := json.Unmarshal(r.Data, &text); err != nil {
		return nil, fmt.Errorf("decode value: %w", err)
	}
	switch r.Encoding {
	case encodingText:
		return []byte(text), nil
	case encodingBase64:
		value, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return nil, fmt.Errorf("decode value: %w", err)
		}
		return value, nil
	}
	return nil, fmt.Errorf("decode value: unknown encoding %q", r.Encoding)
}

// Encodings of keys and values.
const (
	encodingText   = "text"
	encodingBase64 = "base64"
)

// Header is a record's header. A nil Value is a null value.
type Header struct {
	Name  string
	Value []byte
}

// Gap is a range of offsets that will not be delivered.
type Gap struct {
	Stream    string
	Partition int32
	// From is the first missing offset, To the first offset after the gap.
	From, To int64
	Reason   string
}

// Reasons for gaps.
const (
	// ReasonRetention: Kafka no longer keeps these records.
	ReasonRetention = "retention"
	// ReasonLogChanged: the topic was created again; earlier offsets are void.
	ReasonLogChanged = "log_changed"
	// ReasonTruncated: the log was truncated; offsets from Gap.From on are used
	// again.
	ReasonTruncated = "truncated"
	// ReasonUnreadable: a record cannot be read.
	ReasonUnreadable = "unreadable"
	// ReasonTooLarge: a record is larger than the limit for subscribers.
	ReasonTooLarge = "too_large"
	// ReasonPolicy: records were skipped because of the stream's policy or the
	// grant.
	ReasonPolicy = "policy"
	// ReasonResync: the position was void, and reading begins again as the Request says.
	// The gap has no offsets, and comes only with Request.Resync.
	ReasonResync = "resync"
)

// CaughtUp reports that the history has been delivered and that the following
// records are new. It comes once per connection.
type CaughtUp struct{}

// Status reports that the server has lost Kafka, or can read from it again.
// Events may be delivered in either state.
type Status struct {
	Stream string
	Live   bool
	Since  time.Time
}

// Subscribed reports that a connection is established and events follow.
type Subscribed struct {
	// Session is the connection's name in the server's logs.
	Session string
	// Start is what decided where events begin, such as "cursor".
	Start string
	// Recovered means that nothing is missing between the earlier events and
	// those that follow.
	Recovered bool
	// Short means that fewer records were found than Request.From asked for.
	Short bool
	// Streams are the streams of a subscription by pattern, else nil.
	Streams []string
}

// Streams reports which streams have joined or left a subscription by pattern since
// Subscribed and the last Streams. It precedes the first record of a stream that has
// joined.
type Streams struct {
	Added, Removed []string
	// Omitted is how many streams match and are left out because of the server's
	// limits.
	Omitted int
}

// Disconnected reports that the connection is lost, or that the server has ended the
// subscription for now; another attempt follows.
type Disconnected struct {
	Err error
	// Retry is the wait before that attempt.
	Retry time.Duration
}

// Paused reports that no records follow until Resumed, see Subscription.Pause.
type Paused struct{}

// Resumed reports that records follow again.
type Resumed struct{}

// Acked reports that the server has stored the named cursor.
type Acked struct{ Cursor string }

func (Record) event()       {}
func (Gap) event()          {}
func (CaughtUp) event()     {}
func (Status) event()       {}
func (Subscribed) event()   {}
func (Streams) event()      {}
func (Disconnected) event() {}
func (Paused) event()       {}
func (Resumed) event()      {}
func (Acked) event()        {}
