package webhook

import (
	"context"
	"encoding/json"
	"fmt"

	"sluice/auth"
)

// Question asks whether a principal may do what its grants allow.
type Question struct {
	Principal *auth.Principal
	Action    auth.Action
	Stream    string
	// From and the fields below it are what a subscription asks for, in the form of the
	// protocol, except that any cursor is `cursor`.
	From       string
	CursorName string
	Reset      bool
	Keys       []string
	KeyPrefix  string
	Headers    [][2]string // names and values
	Filter     string
}

// approvalQuestion is the body of a request about a subscription or a publish.
type approvalQuestion struct {
	Event      Event           `json:"event"`
	Principal  principal       `json:"principal"`
	Claims     json.RawMessage `json:"claims"`
	Stream     string          `json:"stream"`
	From       string          `json:"from,omitempty"`
	CursorName string          `json:"cursor_name,omitempty"`
	Reset      bool            `json:"reset,omitempty"`
	Keys       []string        `json:"keys,omitempty"`
	KeyPrefix  string          `json:"key_prefix,omitempty"`
	Headers    [][2]string     `json:"record_headers,omitempty"`
	Filter     string          `json:"filter,omitempty"`
}

type principal struct {
	Issuer    string `json:"issuer"`
	Subject   string `json:"subject"`
	Anonymous bool   `json:"anonymous"`
	Tenant    string `json:"tenant,omitempty"`
}

// Approve asks the service. It returns nil for yes and for an event that the service
// is not asked about. No is auth.ErrForbidden.
func (h *Hook) Approve(ctx context.Context, q Question) error {
	event := Subscribe
	if q.Action == auth.Publish {
		event = Publish
	}
	if !h.Asks(event) {
		return nil
	}
	claims := q.Principal.Claims()
	if claims == nil {
		claims = []byte("{}")
	}
	body, err := json.Marshal(approvalQuestion{
		Event:      event,
		Principal:  principal{Issuer: q.Principal.Issuer(), Subject: q.Principal.ID(), Anonymous: q.Principal.Anonymous(), Tenant: q.Principal.Tenant()},
		Claims:     claims,
		Stream:     q.Stream,
		From:       q.From,
		CursorName: q.CursorName,
		Reset:      q.Reset,
		Keys:       q.Keys,
		KeyPrefix:  q.KeyPrefix,
		Headers:    q.Headers,
		Filter:     q.Filter,
	})
	if err != nil {
		return fmt.Errorf("encode question: %w", err)
	}
	answer, err := h.ask(ctx, event, body, approval, auth.ErrRightsUnavailable)
	switch {
	case err != nil:
		return err
	case !answer.allowed:
		return fmt.Errorf("%w: the webhook refuses it", auth.ErrForbidden)
	}
	return nil
}
