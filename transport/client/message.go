package client

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"time"
)

// message is any message of the server, with the fields of all message types.
type message struct {
	Type string `json:"type"`
	ID   string `json:"id"`

	// Records and gaps.
	Stream      string          `json:"stream"`
	Feed        string          `json:"feed"`
	Partition   int32           `json:"partition"`
	Offset      int64           `json:"offset"`
	TS          *int64          `json:"ts"`
	Key         *string         `json:"key"`
	KeyEncoding string          `json:"key_encoding"`
	Headers     [][]*string     `json:"headers"`
	Data        json.RawMessage `json:"data"`
	Encoding    string          `json:"encoding"`
	Tombstone   bool            `json:"tombstone"`
	Redacted    bool            `json:"redacted"`
	Undecrypted []string        `json:"undecrypted"`
	From        int64           `json:"from"`
	To          int64           `json:"to"`
	Reason      string          `json:"reason"`

	// Sessions and subscriptions.
	Session     string            `json:"session"`
	ExpiresInMS int64             `json:"expires_in_ms"`
	PingMS      int64             `json:"ping_ms"`
	Start       string            `json:"start"`
	Recovered   bool              `json:"recovered"`
	Short       bool              `json:"short"`
	Cursor      string            `json:"cursor"`
	Cursors     map[string]string `json:"cursors"`
	Streams     []string          `json:"streams"`
	Added       []string          `json:"added"`
	Removed     []string          `json:"removed"`
	Omitted     int               `json:"omitted"`
	Live        bool              `json:"live"`
	Since       int64             `json:"since"`
	ReconnectMS int64             `json:"reconnect_ms"`

	fault

	// wire is the message as it came.
	wire []byte
}

func (m *message) record() (Record, error) {
	r := Record{
		Stream: m.Stream, Partition: m.Partition, Offset: m.Offset,
		Data: m.Data, Encoding: m.Encoding, Tombstone: m.Tombstone, Redacted: m.Redacted, Undecrypted: m.Undecrypted,
	}
	if m.TS != nil {
		r.Time = time.UnixMilli(*m.TS)
	}
	var err error
	if r.Key, err = decoded(m.Key, m.KeyEncoding); err != nil {
		return r, fmt.Errorf("decode key: %w", err)
	}
	for _, parts := range m.Headers {
		if len(parts) < 2 || parts[0] == nil {
			return r, fmt.Errorf("decode header: %d parts", len(parts))
		}
		encoding := ""
		if len(parts) > 2 && parts[2] != nil {
			encoding = *parts[2]
		}
		value, err := decoded(parts[1], encoding)
		if err != nil {
			return r, fmt.Errorf("decode header %q: %w", *parts[0], err)
		}
		r.Headers = append(r.Headers, Header{Name: *parts[0], Value: value})
	}
	return r, nil
}

// decoded returns the bytes that a JSON string represents, nil for null.
func decoded(text *string, encoding string) ([]byte, error) {
	switch {
	case text == nil:
		return nil, nil
	case encoding == encodingBase64:
		return base64.StdEncoding.DecodeString(*text)
	case encoding != "":
		return nil, fmt.Errorf("unknown encoding %q", encoding)
	}
	return []byte(*text), nil
}

// subscribeMessage asks for a subscription.
type subscribeMessage struct {
	Type       string   `json:"type"`
	ID         string   `json:"id"`
	Stream     string   `json:"stream"`
	Key        []string `json:"key,omitempty"`
	Filter     string   `json:"filter,omitempty"`
	From       string   `json:"from,omitempty"`
	CursorName string   `json:"cursor_name,omitempty"`
	Ack        string   `json:"ack,omitempty"`
	Reset      bool     `json:"reset,omitempty"`
	OnGap      string   `json:"on_gap,omitempty"`
	// LastEventID is a cursor, beside which From is for the streams of a pattern that
	// the cursor does not have.
	LastEventID string `json:"last_event_id,omitempty"`
}

// ackMessage moves a named cursor.
type ackMessage struct {
	Type   string `json:"type"`
	ID     string `json:"id"`
	Cursor string `json:"cursor"`
}

// pauseMessage pauses or resumes the subscription.
type pauseMessage struct {
	Type string `json:"type"`
	ID   string `json:"id"`
}

// authMessage renews the token.
type authMessage struct {
	Type  string `json:"type"`
	ID    string `json:"id"`
	Token string `json:"token"`
}
