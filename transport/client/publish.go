package client

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"slices"
	"sync/atomic"
	"time"
	"unicode/utf8"
)

// Message is a record to publish. Exactly one of Data, Bytes and Tombstone must
// be set.
type Message struct {
	// Key must be UTF-8; nil is a null key. Records with the same key keep their
	// order if each publish is answered before the next one is sent.
	Key     []byte
	Headers []Header
	// ID lets the server store the record only once if it is sent several times
	// within the window of the stream: 1 to 128 printable characters of ASCII, and
	// another for each record. "" means no ID.
	ID string
	// Data is a JSON value, stored unchanged.
	Data json.RawMessage
	// Bytes is a value of arbitrary bytes; empty but not nil is an empty value.
	Bytes []byte
	// Tombstone means a null value.
	Tombstone bool
}

// Stored tells where a record is stored.
type Stored struct {
	Partition int32
	Offset    int64
	Time      time.Time
	// Duplicate means that a record with this ID was stored there before.
	Duplicate bool
}

// Result is the result for one record of a batch. Err is nil if the record is
// stored.
type Result struct {
	Stored
	Err error
}

var errMessage = errors.New("exactly one of Data, Bytes and Tombstone must be set")

// Publish stores a record and returns once all in-sync replicas have it. An error
// is ErrNotStored or ErrMaybeStored, and an *Error if the server gave a reason.
// Publish sends the record once, and again only if the token had expired, with a new
// one; the error tells whether a retry is safe, as it always is for a message with an ID.
// PublishOnce retries by itself.
func (c *Client) Publish(ctx context.Context, stream string, m Message) (Stored, error) {
	body, err := m.encode()
	if err != nil {
		return Stored{}, fmt.Errorf("publish to %s: %w: %w", stream, ErrNotStored, err)
	}
	var answer published
	if err := c.post(ctx, stream, body, identified(m), &answer); err != nil {
		return Stored{}, fmt.Errorf("publish to %s: %w", stream, err)
	}
	result := answer.result(identified(m))
	if result.Err != nil {
		return Stored{}, fmt.Errorf("publish to %s: %w", stream, result.Err)
	}
	return result.Stored, nil
}

// PublishBatch stores records in one request, which is not atomic: there is a
// result for each record, in their order. The error is for the request as a
// whole, and is nil if the records were answered individually.
func (c *Client) PublishBatch(ctx context.Context, stream string, messages []Message) ([]Result, error) {
	body := []byte(`{"records":[`)
	for i, m := range messages {
		record, err := m.encode()
		if err != nil {
			return nil, fmt.Errorf("publish to %s: record %d: %w: %w", stream, i, ErrNotStored, err)
		}
		if i > 0 {
			body = append(body, ',')
		}
		body = append(body, record...)
	}
	body = append(body, "]}"...)
	var answer struct {
		Results []published `json:"results"`
	}
	if err := c.post(ctx, stream, body, identified(messages...), &answer); err != nil {
		return nil, fmt.Errorf("publish to %s: %w", stream, err)
	}
	if len(answer.Results) != len(messages) {
		return nil, fmt.Errorf("publish to %s: %w", stream, &Error{
			outcome: ErrMaybeStored, Retryable: identified(messages...),
			cause: fmt.Errorf("%d results for %d records", len(answer.Results), len(messages)),
		})
	}
	results := make([]Result, len(messages))
	for i, one := range answer.Results {
		results[i] = one.result(identified(messages[i]))
	}
	return results, nil
}

// encode returns the protocol's JSON object. Data is inserted byte for byte.
func (m Message) encode() ([]byte, error) {
	set := 0
	for _, is := range []bool{m.Data != nil, m.Bytes != nil, m.Tombstone} {
		if is {
			set++
		}
	}
	switch {
	case set != 1:
		return nil, errMessage
	case m.Data != nil && !json.Valid(m.Data):
		return nil, errors.New("data is not JSON")
	case !utf8.Valid(m.Key):
		return nil, errors.New("the key is not UTF-8")
	}
	out := struct {
		Key       *string `json:"key,omitempty"`
		Headers   [][]any `json:"headers,omitempty"`
		MessageID string  `json:"message_id,omitempty"`
		Encoding  string  `json:"encoding,omitempty"`
		Tombstone bool    `json:"tombstone,omitempty"`
	}{MessageID: m.ID, Tombstone: m.Tombstone}
	if m.Key != nil {
		key := string(m.Key)
		out.Key = &key
	}
	for _, h := range m.Headers {
		out.Headers = append(out.Headers, h.encode())
	}
	data := []byte(m.Data)
	if m.Bytes != nil {
		out.Encoding = encodingBase64
		data = fmt.Appendf(nil, "%q", base64.StdEncoding.EncodeToString(m.Bytes))
	}
	object, err := json.Marshal(out)
	if err != nil {
		return nil, fmt.Errorf("encode record: %w", err)
	}
	if data == nil {
		return object, nil
	}
	object = object[:len(object)-1]
	if len(object) > 1 {
		object = append(object, ',')
	}
	object = append(object, `"data":`...)
	return append(append(object, data...), '}'), nil
}

func (h Header) encode() []any {
	switch {
	case h.Value == nil:
		return []any{h.Name, nil}
	case utf8.Valid(h.Value):
		return []any{h.Name, string(h.Value)}
	}
	return []any{h.Name, base64.StdEncoding.EncodeToString(h.Value), encodingBase64}
}

// published is the server's result for one record.
type published struct {
	Partition *int32 `json:"partition"`
	Offset    *int64 `json:"offset"`
	TS        int64  `json:"ts"`
	Duplicate bool   `json:"duplicate"`
	fault
}

var errNoPlace = errors.New("the answer does not say where the record is stored: it is not of Sluice; is the URL right?")

// check returns an error for a result that is neither a place nor a fault.
func (p published) check() error {
	if p.Code == "" && (p.Partition == nil || p.Offset == nil) {
		return errNoPlace
	}
	return nil
}

// stored returns the place of a record that is stored.
func (p published) stored() Stored {
	s := Stored{Partition: *p.Partition, Offset: *p.Offset, Duplicate: p.Duplicate}
	if p.TS > 0 {
		s.Time = time.UnixMilli(p.TS)
	}
	return s
}

func (p published) result(identified bool) Result {
	if err := p.check(); err != nil {
		return Result{Err: (&Error{cause: err}).of(ErrMaybeStored, identified)}
	}
	if p.Code == "" {
		return Result{Stored: p.stored()}
	}
	return Result{Err: p.err().of(outcome(p.Code), identified)}
}

// identified reports whether all messages have an ID.
func identified(messages ...Message) bool {
	return !slices.ContainsFunc(messages, func(m Message) bool { return m.ID == "" })
}

// of sets what an error means for records. Records that may be stored can be published again
// if all of them are identified: then none is stored twice.
func (e *Error) of(outcome error, identified bool) *Error {
	if e.outcome = outcome; errors.Is(outcome, ErrMaybeStored) {
		e.Retryable = identified
	}
	return e
}

// outcome returns what a code means for the record. An internal error leaves it
// open.
func outcome(code string) error {
	switch code {
	case "", "internal", "publish_unknown":
		return ErrMaybeStored
	}
	return ErrNotStored
}

// post publishes a body and decodes the response. identified says that all of its messages
// have an ID. A token that has expired is replaced, once.
func (c *Client) post(ctx context.Context, stream string, body []byte, identified bool, into any) error {
	err := c.exchange(ctx, stream, body, identified, into)
	var refused *Error
	if c.config.Token != nil && errors.As(err, &refused) && refused.Code == "token_expired" {
		return c.exchange(ctx, stream, body, identified, into)
	}
	return err
}

// exchange makes one request of post.
func (c *Client) exchange(ctx context.Context, stream string, body []byte, identified bool, into any) error {
	var sent sending
	ctx = httptrace.WithClientTrace(ctx, sent.trace())
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.endpoint("v1", "streams", stream, "records"), bytes.NewReader(body))
	if err != nil {
		return &Error{outcome: ErrNotStored, cause: err}
	}
	req.Header.Set("Content-Type", "application/json")
	if err := c.authorize(ctx, req.Header); err != nil {
		return &Error{outcome: ErrNotStored, Retryable: true, cause: err}
	}
	res, err := c.config.HTTPClient.Do(req)
	if err != nil {
		return sent.failed(err, identified)
	}
	defer func() { _ = res.Body.Close() }()
	answer, err := io.ReadAll(io.LimitReader(res.Body, c.config.MessageBytes))
	if err != nil {
		return (&Error{Status: res.StatusCode, cause: err}).of(ErrMaybeStored, identified)
	}
	if res.StatusCode != http.StatusOK && res.StatusCode != http.StatusMultiStatus {
		return unstored(res, answer, identified)
	}
	if err := json.Unmarshal(answer, into); err != nil {
		return (&Error{Status: res.StatusCode, Message: foreign(res, ""), cause: fmt.Errorf("decode answer: %w", err)}).of(ErrMaybeStored, identified)
	}
	return nil
}

// unstored returns the error for a response other than that a record is stored.
func unstored(res *http.Response, answer []byte, identified bool) *Error {
	if err := UnreachableBy(res, answer); err != nil {
		// The status says nothing about the records.
		return &Error{outcome: ErrNotStored, cause: err}
	}
	e := httpError(res, answer)
	became := outcome(e.Code)
	if e.Code == "" && res.StatusCode >= http.StatusMultipleChoices && res.StatusCode < http.StatusInternalServerError {
		// The refusal came from another server, perhaps a proxy, which did
		// not forward the request.
		became = ErrNotStored
	}
	return e.of(became, identified)
}

// sending knows whether a request has had a connection on which it could be sent.
type sending struct{ asked, got atomic.Bool }

func (s *sending) trace() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		GetConn: func(string) { s.asked.Store(true) },
		GotConn: func(httptrace.GotConnInfo) { s.got.Store(true) },
	}
}

// failed returns the error for a request without a response. Without a connection, of which the
// handshake of TLS is a part, nothing of the request was sent.
func (s *sending) failed(err error, identified bool) *Error {
	err = Brief(err)
	if lasting := Unreachable(err); lasting != nil {
		// Neither a server without TLS nor one that is asked without it has understood the
		// request, and one that refuses a certificate has not read it.
		return &Error{outcome: ErrNotStored, cause: lasting}
	}
	var op *net.OpError
	dialled := errors.As(err, &op) && op.Op == "dial"
	// A transport that does not report that it looks for a connection may not report that it
	// has one, either.
	if dialled || s.asked.Load() && !s.got.Load() {
		return &Error{outcome: ErrNotStored, Retryable: true, cause: err}
	}
	return (&Error{cause: err}).of(ErrMaybeStored, identified)
}
