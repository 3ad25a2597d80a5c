package show

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/tidwall/gjson"

	"sluice/transport/client"
)

// line is a record as tail prints it: the event of the wire, with a time in words, and without
// what says nothing to a person.
type line struct {
	Stream      string          `json:"stream"`
	Partition   int32           `json:"partition"`
	Offset      int64           `json:"offset"`
	Time        *string         `json:"time"`
	Key         json.RawMessage `json:"key"`
	KeyEncoding string          `json:"key_encoding,omitempty"`
	Headers     json.RawMessage `json:"headers,omitempty"`
	Data        json.RawMessage `json:"data"`
	Encoding    string          `json:"encoding,omitempty"`
	Tombstone   bool            `json:"tombstone,omitempty"`
	Redacted    bool            `json:"redacted,omitempty"`
	Undecrypted []string        `json:"undecrypted,omitempty"`
}

// lineOf returns the line of a record that has its Wire.
func lineOf(r client.Record) ([]byte, error) {
	l := line{
		Stream: r.Stream, Partition: r.Partition, Offset: r.Offset, Data: r.Data,
		Encoding: r.Encoding, Tombstone: r.Tombstone, Redacted: r.Redacted, Undecrypted: r.Undecrypted,
	}
	if !r.Time.IsZero() {
		t := Time(r.Time.In(time.Local))
		l.Time = &t
	}
	// Keys and headers as they came: what is not UTF-8 stays in base64.
	got := gjson.GetManyBytes(r.Wire, "key", "key_encoding", "headers")
	l.Key, l.KeyEncoding, l.Headers = raw(got[0]), got[1].Str, raw(got[2])
	text, err := json.Marshal(l)
	if err != nil {
		return nil, fmt.Errorf("print record: %w", err)
	}
	return text, nil
}

func raw(found gjson.Result) json.RawMessage {
	if !found.Exists() {
		return nil
	}
	return json.RawMessage(found.Raw)
}
