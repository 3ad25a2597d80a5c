package rules

import (
	"context"
	"fmt"
	"strings"

	"sluice/hub/ingest"
)

// The rules for keys that are words. Any other is a template of claims, such as `{sub}`,
// or a JSON pointer into the data, such as `/device/id`.
const (
	KeyOptional = "optional"
	KeyRequired = "required"
)

// Keys is a step that says where the key of a record comes from. If it is made of claims
// or found in the data, a client need not send it, and cannot send another one.
type Keys struct {
	required bool
	claims   *Template
	data     Pointer
}

// NewKeys parses a rule for keys. It is nil for optional keys, which need no step.
func NewKeys(rule string) (*Keys, error) {
	switch {
	case rule == KeyOptional || rule == "":
		return nil, nil //nolint:nilnil // no rule is no step
	case rule == KeyRequired:
		return &Keys{required: true}, nil
	case strings.HasPrefix(rule, "/"):
		p, err := NewPointer(rule)
		if err != nil {
			return nil, err
		}
		return &Keys{data: p}, nil
	case !strings.Contains(rule, "{"):
		return nil, fmt.Errorf("%.100q is neither optional nor required, nor a template of claims such as {sub}, nor a pointer into the data such as /device/id", rule)
	}
	t, err := NewTemplate(rule)
	if err != nil {
		return nil, err
	}
	if t.Has(nameNow, nameAddress) {
		return nil, fmt.Errorf("a key cannot be made of {%s} or {%s}: they do not say who the client is", nameNow, nameAddress)
	}
	return &Keys{claims: t}, nil
}

// ByData reports whether keys are found in the data, which is then JSON.
func (k *Keys) ByData() bool { return k != nil && k.data.text != "" }

// Check implements ingest.Step.
func (k *Keys) Check(_ context.Context, b *ingest.Batch) {
	var made, lacks string
	if k.claims != nil {
		made, lacks = k.claims.fill(&b.Publisher, "")
	}
	for i := range b.Len() {
		if !b.Pending(i) {
			continue
		}
		m := b.Message(i)
		var wrong *ingest.InvalidError
		switch {
		case k.required:
			if m.Key == nil {
				wrong = ingest.Invalid("the stream requires a key")
			}
		case k.claims == nil:
			wrong = k.fromData(m)
		case lacks != "":
			wrong = ingest.Invalid("the stream makes the key of the claim " + lacks + ", which the credential does not have, or not as a text or an integer that can be in a key")
		case !take(m, made):
			wrong = ingest.Invalid("the stream makes the key of " + k.claims.text + ", and the record has another key: send that one, or none")
		}
		if wrong != nil {
			b.Settle(i, ingest.Rejected(wrong))
		}
	}
}

// Settled implements ingest.Step.
func (*Keys) Settled(*ingest.Batch) {}

// fromData takes the key of a record from its data, or returns why it cannot.
func (k *Keys) fromData(m *ingest.Message) *ingest.InvalidError {
	if m.Value == nil {
		return ingest.Invalid("the stream takes the key from the data at " + k.data.text + ", which a tombstone does not have")
	}
	text, ok := "", false
	if m.JSON {
		text, ok = plainText(k.data.in(m.Value))
	}
	switch {
	case !ok || text == "":
		return invalidAt(k.data, "the stream takes the key from here: must be a string that is not empty, or an integer")
	case !take(m, text):
		return invalidAt(k.data, "the stream takes the key from here, and the record has another key: send that one, or none")
	}
	return nil
}

func invalidAt(p Pointer, message string) *ingest.InvalidError {
	return &ingest.InvalidError{Violations: []ingest.Violation{{Pointer: p.text, Message: message}}}
}

// take sets the key of a message, unless it has another one.
func take(m *ingest.Message, key string) bool {
	if m.Key == nil {
		m.Key = []byte(key)
	}
	return string(m.Key) == key
}
