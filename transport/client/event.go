package client

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"time"
)

// Event is what a subscription gives: a Record, Gap, CaughtUp, Status,
// Subscribed, Disconnected or Acked. More kinds can come.
type Event interface{ event() }

// Record is a Kafka record.
type Record struct {
	Stream    string
	Partition int32
	Offset    int64
	// Time is the record's timestamp, zero where it has none.
	Time time.Time
	// Key is nil for a null key.
	Key     []byte
	Headers []Header
	// Data is the value as JSON, as the server sent it. What it means is told
	// by Encoding, and by the stream's content.
	Data json.RawMessage
	// Encoding is "" where Data is the value itself, "text" where Data is a
	// JSON string that holds it, "base64" where it holds it so encoded.
	Encoding string
	// Tombstone: the value is null.
	Tombstone bool
}

// Value is the record's value in bytes: Data where Encoding is empty, decoded
// otherwise, and nil for a tombstone. A stream whose content is text has its
// values in JSON strings without an Encoding: unmarshal Data there.
func (r Record) Value() ([]byte, error) {
	if r.Tombstone {
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

// Header is a record's header. A nil Value is a null value.
type Header struct {
	Name  string
	Value []byte
}

// Gap is a range of offsets that will not be delivered.
type Gap struct {
	Stream    string
	Partition int32
	// From is the first offset that is missing, To the first that is not.
	From, To int64
	Reason   string
}

// Reasons for gaps.
const (
	// ReasonRetention: Kafka no longer keeps these records.
	ReasonRetention = "retention"
	// ReasonLogChanged: the topic was made again; known offsets are void.
	ReasonLogChanged = "log_changed"
	// ReasonTruncated: the log was cut; offsets from Gap.From on are anew.
	ReasonTruncated = "truncated"
	// ReasonUnreadable: a record cannot be read.
	ReasonUnreadable = "unreadable"
	// ReasonTooLarge: a record is larger than a subscriber may be sent.
	ReasonTooLarge = "too_large"
	// ReasonPolicy: the stream's policy or the grant passes over them.
	ReasonPolicy = "policy"
)

// CaughtUp says that what follows happens now. It comes once a connection.
type CaughtUp struct{}

// Status says that the server has lost Kafka, or has it back. Events may come all the
// same.
type Status struct {
	Stream string
	Live   bool
	Since  time.Time
}

// Subscribed says that a connection stands and events follow.
type Subscribed struct {
	// Session names the connection in the server's logs.
	Session string
	// Start says what decided where events begin, such as "cursor".
	Start string
	// Recovered: nothing is missing between what came before and what follows.
	Recovered bool
	// Short: fewer records than Request.From asked for were found.
	Short bool
}

// Disconnected says that the connection is lost; another attempt follows.
type Disconnected struct {
	Err error
	// Retry is how long that waits.
	Retry time.Duration
}

// Acked says that the server has stored the named cursor.
type Acked struct{ Cursor string }

func (Record) event()       {}
func (Gap) event()          {}
func (CaughtUp) event()     {}
func (Status) event()       {}
func (Subscribed) event()   {}
func (Disconnected) event() {}
func (Acked) event()        {}
