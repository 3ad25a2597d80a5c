package bulk

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/tidwall/gjson"

	"sluice/transport/client"
)

// Form says what a line is.
type Form struct {
	// Records are lines that are records as the protocol has them: key, headers, message_id,
	// data, encoding, tombstone. Other fields, such as those of an event, are ignored.
	Records bool
	// Text stores lines unchanged, without checking that they are JSON.
	Text bool
	// KeyField and IDField are paths, for gjson, of the key and of the message id in a value;
	// "" for none.
	KeyField, IDField string
	// Base has what records have that the line does not say.
	Base client.Message
}

var (
	errNotJSON   = errors.New("the value is not JSON: quote the value, or use --text")
	errNotRecord = errors.New("the line is not a record: a JSON object with data, or with tombstone")
)

// SetValue sets the value of a message, which must be JSON unless it is text.
func SetValue(m *client.Message, value []byte, text bool) error {
	switch {
	case text:
		m.Bytes = append([]byte{}, value...)
	case json.Valid(value):
		m.Data = bytes.Clone(value)
	default:
		return errNotJSON
	}
	return nil
}

// message returns the record of a line.
func (f Form) message(line []byte) (client.Message, error) {
	m := f.Base
	if f.Records {
		return f.record(m, line)
	}
	if err := SetValue(&m, line, f.Text); err != nil {
		return m, err
	}
	if f.KeyField != "" {
		key, err := field(line, f.KeyField)
		if err != nil {
			return m, fmt.Errorf("the key: %w", err)
		}
		m.Key = key
	}
	if f.IDField != "" {
		id, err := field(line, f.IDField)
		if err != nil {
			return m, fmt.Errorf("the message id: %w", err)
		}
		m.ID = string(id)
	}
	return m, nil
}

// field returns a text or a number in a value.
func field(value []byte, path string) ([]byte, error) {
	found := gjson.GetBytes(value, path)
	switch {
	case found.Type == gjson.String && found.Str != "":
		return []byte(found.Str), nil
	case found.Type == gjson.Number:
		return []byte(found.Raw), nil
	}
	return nil, fmt.Errorf("the value has no text and no number at %s", path)
}

// record reads a record of the protocol.
func (f Form) record(m client.Message, line []byte) (client.Message, error) {
	var r struct {
		Type        string          `json:"type"`
		Key         *string         `json:"key"`
		KeyEncoding string          `json:"key_encoding"`
		Headers     [][]*string     `json:"headers"`
		MessageID   string          `json:"message_id"`
		Data        json.RawMessage `json:"data"`
		Encoding    string          `json:"encoding"`
		Tombstone   bool            `json:"tombstone"`
		Redacted    bool            `json:"redacted"`
		Undecrypted []string        `json:"undecrypted"`
	}
	if err := json.Unmarshal(line, &r); err != nil {
		return m, fmt.Errorf("%w: %w", errNotRecord, err)
	}
	switch {
	case r.Type != "" && r.Type != "event":
		return m, fmt.Errorf("%w: it is of the type %q", errNotRecord, r.Type)
	case r.Redacted || len(r.Undecrypted) > 0:
		return m, errors.New("the value is not the whole one: parts of it are withheld, or not decrypted")
	case r.Data == nil && !r.Tombstone:
		return m, errNotRecord
	}
	var err error
	if r.Key != nil {
		if m.Key, err = decode(*r.Key, r.KeyEncoding); err != nil {
			return m, fmt.Errorf("the key: %w", err)
		}
	}
	for _, parts := range r.Headers {
		header, err := headerOf(parts)
		if err != nil {
			return m, err
		}
		// Appended to a copy: lines share those of Base.
		m.Headers = append(m.Headers[:len(m.Headers):len(m.Headers)], header)
	}
	if r.MessageID != "" {
		m.ID = r.MessageID
	}
	switch {
	case r.Tombstone:
		m.Tombstone = true
	case r.Encoding == "":
		m.Data = r.Data
	default:
		var text string
		if err := json.Unmarshal(r.Data, &text); err != nil {
			return m, fmt.Errorf("the value: %w", err)
		}
		if m.Bytes, err = decode(text, r.Encoding); err != nil {
			return m, fmt.Errorf("the value: %w", err)
		}
	}
	return m, nil
}

var errHeader = errors.New(`a header is not [name, value], [name, null] or [name, value, "base64"]`)

func headerOf(parts []*string) (client.Header, error) {
	if len(parts) < 2 || len(parts) > 3 || parts[0] == nil {
		return client.Header{}, errHeader
	}
	header := client.Header{Name: *parts[0]}
	if parts[1] == nil {
		return header, nil
	}
	encoding := ""
	if len(parts) == 3 && parts[2] != nil {
		encoding = *parts[2]
	}
	var err error
	if header.Value, err = decode(*parts[1], encoding); err != nil {
		return header, fmt.Errorf("the header %q: %w", header.Name, err)
	}
	return header, nil
}

// decode returns the bytes that a text of the protocol stands for; never nil.
func decode(text, encoding string) ([]byte, error) {
	switch encoding {
	case "", "text":
		return []byte(text), nil
	case "base64":
		return base64.StdEncoding.DecodeString(text)
	}
	return nil, fmt.Errorf("unknown encoding %q", encoding)
}
