package ingest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"sluice/hub/jsonscan"
	"sluice/hub/record"
	"sluice/hub/upstream"
)

// DeadLetters keeps records that are invalid in another stream, as they came from the
// client, with headers that say what they are. No step sees them there.
type DeadLetters struct {
	// Stream is where they are kept.
	Stream string
	// Topic is the topic of the stream that they were published to.
	Topic string
	// Schema names the schema that they were checked against, "" for none.
	Schema string
	Now    func() time.Time
}

// Headers of dead letters: those of Kafka Connect (KIP-298) where they have the same
// meaning, and others of the server.
const (
	connectPrefix  = "__connect.errors."
	connectTopic   = connectPrefix + "topic"
	connectMessage = connectPrefix + "exception.message"

	letterStream     = ReservedHeaderPrefix + "stream"
	letterPrincipal  = ReservedHeaderPrefix + "principal"
	letterReceived   = ReservedHeaderPrefix + "received-at"
	letterSchema     = ReservedHeaderPrefix + "schema"
	letterViolations = ReservedHeaderPrefix + "violations"
)

// Bounds of what the headers say about a record.
const (
	maxViolations = 20
	maxViolation  = 500 // bytes of each
)

// receivedFormat is RFC 3339 with milliseconds.
const receivedFormat = "2006-01-02T15:04:05.000Z07:00"

// DeadLettered returns the error of a record that was kept as the dead letter with some
// headers, with what these say about it.
func DeadLettered(headers []record.Header) *DeadLetteredError {
	invalid := Invalid(ErrInvalid.Error())
	for _, h := range headers {
		var all []struct{ Pointer, Message string }
		switch string(h.Name) {
		case connectMessage:
			if len(invalid.Violations) == 1 && invalid.Violations[0].Pointer == "" {
				invalid.Violations[0].Message = string(h.Value)
			}
		case letterViolations:
			if json.Unmarshal(h.Value, &all) != nil || len(all) == 0 {
				continue
			}
			invalid.Violations = nil
			for _, v := range all {
				invalid.Violations = append(invalid.Violations, Violation{Pointer: v.Pointer, Message: v.Message})
			}
		}
	}
	return &DeadLetteredError{Cause: invalid}
}

// DeadLetteredError is the error of a record that is invalid, and was kept as a dead
// letter. It is not ErrInvalid, but its cause is.
type DeadLetteredError struct{ Cause error }

// Error implements error.
func (e *DeadLetteredError) Error() string { return "kept as a dead letter: " + e.Cause.Error() }

// letters are the dead letters of a batch.
type letters struct {
	to        *DeadLetters
	batch     *Batch
	received  string
	originals []Message
	index     []int
}

// begin keeps the records of a batch as they are before the steps. It returns nil for a
// stream without dead letters.
func (d *DeadLetters) begin(b *Batch) *letters {
	if d == nil {
		return nil
	}
	return &letters{to: d, batch: b, received: d.Now().UTC().Format(receivedFormat), originals: append([]Message(nil), b.messages...)}
}

// gather finds the records that the steps have refused as invalid, and reports whether there
// are any.
func (l *letters) gather() bool {
	if l == nil {
		return false
	}
	for i := range l.batch.Len() {
		if !l.batch.Pending(i) && errors.Is(l.batch.Verdict(i).Err, ErrInvalid) {
			l.index = append(l.index, i)
		}
	}
	return len(l.index) > 0
}

// store stores the dead letters, gives their records their verdicts, and calls finish.
func (l *letters) store(ctx context.Context, store Store, finish func()) {
	messages := make([]upstream.Message, len(l.index))
	for n, i := range l.index {
		messages[n] = l.message(i)
		messages[n].By = l.batch.client()
	}
	err := store.Publish(ctx, l.batch.Tenant, l.to.Stream, messages, func(stored []upstream.Stored) {
		for n, i := range l.index {
			l.settle(i, stored[n].Err)
		}
		finish()
	})
	if err != nil {
		for _, i := range l.index {
			// That the other stream is missing is none of the client's business.
			l.settle(i, fmt.Errorf("%w: %s", upstream.ErrPublishUnavailable, err.Error()))
		}
		finish()
	}
}

// settle gives a record its verdict after its dead letter was stored, or was not. One that
// can never be stored is refused like any other invalid record.
func (l *letters) settle(i int, err error) {
	verdict := &l.batch.verdicts[i]
	switch {
	case err == nil:
		*verdict = Rejected(&DeadLetteredError{Cause: verdict.Err})
	case errors.Is(err, upstream.ErrRecordTooLarge), errors.Is(err, upstream.ErrPublishRejected):
	case errors.Is(err, upstream.ErrUnknownTopic):
		*verdict = Rejected(fmt.Errorf("store dead letter: %w: %s", upstream.ErrPublishUnavailable, err.Error()))
	default:
		*verdict = Rejected(fmt.Errorf("store dead letter: %w", err))
	}
}

// message returns the dead letter of a record. What the client has sent under the names of
// Kafka Connect is left out: consumers could take it for what the server says.
func (l *letters) message(i int) upstream.Message {
	m := l.originals[i]
	var headers []record.Header
	for _, h := range m.Headers {
		if !strings.HasPrefix(strings.ToLower(string(h.Name)), connectPrefix) {
			headers = append(headers, h)
		}
	}
	add := func(name, value string) {
		if value != "" {
			headers = append(headers, record.Header{Name: []byte(name), Value: []byte(value)})
		}
	}
	reason, violations := describe(l.batch.Verdict(i).Err)
	add(connectTopic, l.to.Topic)
	add(connectMessage, reason)
	add(letterStream, l.batch.Stream)
	add(letterPrincipal, l.batch.Principal)
	add(letterReceived, l.received)
	add(letterSchema, l.to.Schema)
	add(letterViolations, violations)
	return upstream.Message{Key: m.Key, Headers: l.batch.messages[i].marked(headers), Value: m.Value}
}

// describe returns why a record is invalid in words, and its violations as JSON.
func describe(err error) (reason, violations string) {
	reason = ErrInvalid.Error()
	invalid, ok := errors.AsType[*InvalidError](err)
	if !ok || len(invalid.Violations) == 0 {
		return reason, ""
	}
	list := []byte("[")
	for i, v := range invalid.Violations[:min(len(invalid.Violations), maxViolations)] {
		pointer, message := cut(v.Pointer), cut(v.Message)
		if i == 0 {
			reason = strings.TrimSpace(pointer + " " + message)
		} else {
			list = append(list, ',')
		}
		list = jsonscan.AppendString(append(list, `{"pointer":`...), pointer)
		list = jsonscan.AppendString(append(list, `,"message":`...), message)
		list = append(list, '}')
	}
	return reason, string(append(list, ']'))
}

// cut returns the beginning of a text, in UTF-8.
func cut(text string) string {
	if len(text) > maxViolation {
		text = text[:maxViolation]
	}
	return strings.ToValidUTF8(text, "")
}
