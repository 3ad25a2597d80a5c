package rules

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"sluice/hub/ingest"
	"sluice/hub/record"
)

// Headers is a step for the headers of records: which clients may set, and which the
// server sets.
type Headers struct {
	names  map[string]bool
	starts []string
	set    []setHeader
	now    func() time.Time
}

// setHeader is a header that the server sets.
type setHeader struct {
	name  string
	value *Template
}

// timeFormat is RFC 3339 with milliseconds.
const timeFormat = "2006-01-02T15:04:05.000Z07:00"

// maxHeaderName bounds the name of a header in a rule.
const maxHeaderName = 128

// NewHeaders returns the step for a stream. Clients may set the headers that allow names:
// an asterisk at the end stands for any text, and alone for any header. A
// trace context (W3C, traceparent) need not be named, and must be valid; a record without
// one gets that of its request. set are the templates of the headers that the server sets, by name; no client may set them.
func NewHeaders(allow []string, set map[string]string, now func() time.Time) (*Headers, error) {
	h := &Headers{names: map[string]bool{}, now: now}
	for _, name := range allow {
		start, prefix := strings.CutSuffix(name, "*")
		if err := checkName(start, prefix); err != nil {
			return nil, err
		}
		if prefix {
			h.starts = append(h.starts, start)
		} else {
			h.names[name] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(set)) {
		if err := checkName(name, false); err != nil {
			return nil, err
		}
		if strings.EqualFold(name, traceParent) {
			return nil, errors.New("the header traceparent comes from clients, and cannot be set")
		}
		t, err := NewTemplate(set[name])
		if err != nil {
			return nil, fmt.Errorf("header %.100q: %w", name, err)
		}
		if h.sets(name) {
			return nil, fmt.Errorf("header %.100q is there twice, in other letters", name)
		}
		if h.names[name] {
			return nil, fmt.Errorf("header %.100q is set by the server, so that clients cannot be allowed to set it", name)
		}
		h.set = append(h.set, setHeader{name, t})
	}
	return h, nil
}

// checkName checks the name of a header in a rule.
func checkName(name string, start bool) error {
	switch {
	case name == "" && !start || len(name) > maxHeaderName || !plain(name) || strings.Contains(name, "*"):
		return fmt.Errorf("%.100q is not the name of a header: 1 to %d bytes of text, with an asterisk only at the end in allow", name, maxHeaderName)
	case ingest.ReservedHeader(name):
		return fmt.Errorf("header %.100q: names that begin with %s are reserved", name, ingest.ReservedHeaderPrefix)
	}
	return nil
}

// Check implements ingest.Step.
func (h *Headers) Check(_ context.Context, b *ingest.Batch) {
	made, lacks := h.fill(&b.Publisher)
	for i := range b.Len() {
		if !b.Pending(i) {
			continue
		}
		m := b.Message(i)
		switch reason := h.refuses(m.Headers); {
		case reason != "":
			b.Settle(i, ingest.Rejected(ingest.Invalid(reason)))
		case lacks != "":
			b.Settle(i, ingest.Rejected(ingest.Invalid(lacks)))
		default:
			m.Headers = slices.Concat(m.Headers, h.traced(b, m), made)
		}
	}
}

// Settled implements ingest.Step.
func (*Headers) Settled(*ingest.Batch) {}

// traced returns the trace context of the request, for a record that has none.
func (h *Headers) traced(b *ingest.Batch, m *ingest.Message) []record.Header {
	if !validTraceParent([]byte(b.TraceParent)) || slices.ContainsFunc(m.Headers, isTraceParent) {
		return nil
	}
	return []record.Header{{Name: []byte(traceParent), Value: []byte(b.TraceParent)}}
}

// fill returns the headers that the server sets, or why it cannot.
func (h *Headers) fill(by *ingest.Publisher) (made []record.Header, lacks string) {
	now := h.now().UTC().Format(timeFormat)
	for _, s := range h.set {
		text, name := s.value.fill(by, now)
		if name != "" {
			return nil, fmt.Sprintf("the stream makes the header %q of the claim %s, which the credential does not have, or not as a text or an integer that can be in a header", s.name, name)
		}
		made = append(made, record.Header{Name: []byte(s.name), Value: []byte(text)})
	}
	return made, ""
}

// refuses returns why a client's headers are refused, "" if they are not.
func (h *Headers) refuses(headers []record.Header) string {
	for _, header := range headers {
		name := string(header.Name)
		switch {
		case h.sets(name):
			return fmt.Sprintf("the header %.100q is set by the server: leave it out", name)
		case isTraceParent(header):
			if name != traceParent || !validTraceParent(header.Value) {
				return "the header traceparent is not a trace context (W3C, version 00)"
			}
		case !h.allows(name):
			return fmt.Sprintf("the header %.100q is not one that clients may set on the stream", name)
		}
	}
	return ""
}

// allows reports whether clients may set a header.
func (h *Headers) allows(name string) bool {
	return h.names[name] || slices.ContainsFunc(h.starts, func(start string) bool { return strings.HasPrefix(name, start) })
}

// sets reports whether the server sets a header, in any letter case: consumers may read
// names in any.
func (h *Headers) sets(name string) bool {
	return slices.ContainsFunc(h.set, func(s setHeader) bool { return strings.EqualFold(s.name, name) })
}
