package rules

import (
	"context"
	"errors"
	"fmt"
	"unicode/utf8"

	"sluice/hub/event"
	"sluice/hub/ingest"
	"sluice/hub/jsonscan"
)

// Kinds are kinds of values. A value of JSON is text too, and text is bytes.
type Kinds struct{ JSON, Text, Bytes, Tombstones bool }

// Content is a step that refuses values of other kinds than those that the stream has,
// which its readers could not be shown. What counts is the value, however it has come: a
// value that was not sent as JSON is JSON if the same strict reading accepts it, and is
// marked as such.
type Content struct {
	Kinds Kinds
	// Depth and Names bound the nesting and the fields of values that were not sent as
	// JSON, for which the transport has not done it. 0 is no bound.
	Depth, Names int
}

// Check implements ingest.Step.
func (c Content) Check(_ context.Context, b *ingest.Batch) {
	for i := range b.Len() {
		if !b.Pending(i) {
			continue
		}
		if reason := c.refuses(b.Message(i)); reason != "" {
			b.Settle(i, ingest.Rejected(ingest.Invalid(reason)))
		}
	}
}

// Settled implements ingest.Step.
func (Content) Settled(*ingest.Batch) {}

// refuses returns why a message is refused, "" if it is not.
func (c Content) refuses(m *ingest.Message) string {
	switch {
	case m.Value == nil && !c.Kinds.Tombstones:
		return "the stream takes no tombstones: send a value in data"
	case m.Value == nil || m.JSON && (c.Kinds.JSON || c.Kinds.Text || c.Kinds.Bytes):
		return ""
	case c.Kinds.Bytes:
		return ""
	case c.Kinds.Text:
		if utf8.Valid(m.Value) {
			return ""
		}
		return "the values of the stream are text, and this value is not UTF-8: send text in UTF-8"
	case c.Kinds.JSON:
		if problem := c.notJSON(m.Value); problem != "" {
			return "the values of the stream are JSON, and " + problem +
				": send JSON in the field data without encoding, over HTTP with Content-Type: application/json"
		}
		m.JSON = true
		return ""
	}
	return "the stream takes only tombstones"
}

// notJSON returns why a value does not count as JSON, "" if it does.
func (c Content) notJSON(value []byte) string {
	depth := event.MaxDataDepth
	if c.Depth > 0 {
		depth = min(depth, c.Depth)
	}
	err := jsonscan.Check(value, depth)
	if err == nil {
		err = jsonscan.CheckNames(value, c.Names)
	}
	switch {
	case err == nil:
		return ""
	case errors.Is(err, jsonscan.ErrTooDeep):
		return fmt.Sprintf("this value nests deeper than %d (limit json_depth)", depth)
	case errors.Is(err, jsonscan.ErrTooManyNames):
		return fmt.Sprintf("this value has more than %d fields (limit json_keys)", c.Names)
	case errors.Is(err, jsonscan.ErrNotJSON), errors.Is(err, jsonscan.ErrNotUTF8):
		return "this value is not"
	}
	return "this value has the same field twice in an object"
}
