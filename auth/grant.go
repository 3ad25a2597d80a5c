package auth

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// ReplayUnlimited means, in a Grant and as a result of Principal.Replay, as far back
// as Kafka keeps records.
const ReplayUnlimited time.Duration = math.MaxInt64

// Grant gives rights to the principals that it matches. A principal has the rights
// of all grants that match it.
type Grant struct {
	// When maps claims to required values; all of them must match. A claim matches
	// if it equals the value or is an array with the value as an element; `scope`
	// also matches if it is a space-separated list that contains the value (RFC 8693
	// section 4.2). Booleans and numbers are compared as they are written in the
	// token. Values are not patterns, and are case-sensitive. A name that begins
	// with a slash is a JSON Pointer (RFC 6901) to a nested claim:
	// `/realm_access/roles`.
	//
	// A grant without conditions matches every principal with a token. Claims of all
	// issuers are treated alike: if the issuers are not equally trusted, add a
	// condition on `iss`.
	When map[string]string
	// Anonymous makes the grant match every client, with or without a token. It
	// excludes conditions.
	Anonymous bool
	// Subscribe and Publish are patterns of stream names, see Pattern.
	Subscribe []string
	Publish   []string
	// Filter is a condition on the records of the streams in Subscribe, in the language
	// of filters, with claims in it: the principal sees only records that meet it. Empty
	// means all. PublishFilter is the same for records that the principal publishes.
	// This package passes the texts on and does not interpret them.
	Filter, PublishFilter string
	// Redact and Mask are paths of what is removed from the records of the streams in
	// Subscribe, and masked in them, before the principal is sent them. This package
	// passes the texts on and does not interpret them.
	Redact, Mask []string
	// Decrypt are paths of what is encrypted in the records of the streams in Subscribe:
	// the principal is shown these, and no others. This package passes the texts on and
	// does not interpret them.
	Decrypt []string
	// Quota names what a principal may publish to the streams in Publish. Empty for no name.
	// This package passes the name on and does not interpret it.
	Quota string
	// Replay is how far back principals that may subscribe may read. 0 means not at
	// all.
	Replay time.Duration
	// Admin gives the right to operate the server, see Principal.Admin. It is the
	// configuration's to give: a credential that carries it itself is refused. It requires
	// conditions, or Anonymous, for a server that only its own machine can connect to.
	Admin bool
}

// Redaction is what of its records a grant does not show, and what of the encrypted it
// does.
type Redaction struct {
	// Redact, Mask and Decrypt are as in a Grant. They must not be changed.
	Redact, Mask, Decrypt []string
}

// Allowance is what a grant allows on one stream.
type Allowance struct {
	// Filter is the condition on records, empty for none.
	Filter string
	// Redaction is what of the records is not shown, nil for nothing but what is encrypted.
	Redaction *Redaction
	// Replay is how far back the principal may read the records that meet the condition.
	Replay time.Duration
}

// grant is a Grant that has been validated. It is never changed.
type grant struct {
	anonymous  bool
	admin      bool
	conditions []condition
	subscribe  []Pattern
	publish    []Pattern
	replay     time.Duration
	byName     byName

	filter, publishFilter string
	quota                 string
	redaction             *Redaction // nil for none
}

// byName are streams that no pattern with a star matches.
type byName map[string]bool

// match reports whether one of the patterns is for a stream.
func (n byName) match(patterns []Pattern, stream string) bool {
	return slices.ContainsFunc(patterns, func(p Pattern) bool {
		return p.Match(stream) && (len(p.parts) == 1 || !n[stream])
	})
}

type condition struct {
	path  []string
	value string
}

func newGrant(g Grant, named byName) (*grant, error) {
	switch {
	case g.Anonymous && len(g.When) > 0:
		return nil, errors.New("an anonymous grant cannot have conditions")
	case len(g.Subscribe) == 0 && len(g.Publish) == 0 && !g.Admin:
		return nil, errors.New("the grant allows nothing: subscribe and publish are empty")
	case g.Admin && !g.Anonymous && len(g.When) == 0:
		return nil, errors.New("admin requires conditions: without them, every credential would give the right to operate")
	case g.Replay < 0:
		return nil, errors.New("replay is negative")
	case g.Replay > 0 && len(g.Subscribe) == 0:
		return nil, errors.New("replay requires subscribe")
	case g.Filter != "" && len(g.Subscribe) == 0:
		return nil, errors.New("filter requires subscribe")
	case len(g.Redact)+len(g.Mask) > 0 && len(g.Subscribe) == 0:
		return nil, errors.New("redact and mask require subscribe")
	case len(g.Decrypt) > 0 && len(g.Subscribe) == 0:
		return nil, errors.New("decrypt requires subscribe")
	case g.PublishFilter != "" && len(g.Publish) == 0:
		return nil, errors.New("publish_filter requires publish")
	case g.Quota != "" && len(g.Publish) == 0:
		return nil, errors.New("quota requires publish")
	}
	made := &grant{anonymous: g.Anonymous, admin: g.Admin, replay: g.Replay, filter: g.Filter, publishFilter: g.PublishFilter, quota: g.Quota, byName: named}
	if len(g.Redact)+len(g.Mask)+len(g.Decrypt) > 0 {
		made.redaction = &Redaction{Redact: slices.Clone(g.Redact), Mask: slices.Clone(g.Mask), Decrypt: slices.Clone(g.Decrypt)}
	}
	for name, value := range g.When {
		if value == "" {
			return nil, fmt.Errorf("the condition on %q has no value", name)
		}
		path, err := claimPath(name)
		if err != nil {
			return nil, err
		}
		made.conditions = append(made.conditions, condition{path: path, value: value})
	}
	var err error
	if made.subscribe, err = newPatterns(g.Subscribe); err != nil {
		return nil, fmt.Errorf("subscribe: %w", err)
	}
	if made.publish, err = newPatterns(g.Publish); err != nil {
		return nil, fmt.Errorf("publish: %w", err)
	}
	return made, nil
}

func newPatterns(texts []string) ([]Pattern, error) {
	patterns := make([]Pattern, 0, len(texts))
	for _, text := range texts {
		pattern, err := NewPattern(text)
		if err != nil {
			return nil, err
		}
		patterns = append(patterns, pattern)
	}
	return patterns, nil
}

// claimPath splits the name of a claim into the names of nested members.
func claimPath(name string) ([]string, error) {
	if name == "" {
		return nil, errors.New("a condition has no claim name")
	}
	pointer, ok := strings.CutPrefix(name, "/")
	if !ok {
		return []string{name}, nil
	}
	path := strings.Split(pointer, "/")
	for i, part := range path {
		// The order of the replacements is prescribed by RFC 6901 section 4.
		path[i] = strings.ReplaceAll(strings.ReplaceAll(part, "~1", "/"), "~0", "~")
	}
	return path, nil
}

// matches reports whether the grant is for a principal with these claims.
func (g *grant) matches(c claims) bool {
	for _, want := range g.conditions {
		if !want.holds(c) {
			return false
		}
	}
	return true
}

func (want condition) holds(c claims) bool {
	found, ok := c.find(want.path)
	if !ok {
		return false
	}
	if several, ok := found.([]any); ok {
		return slices.ContainsFunc(several, func(one any) bool { return claimText(one) == want.value })
	}
	text := claimText(found)
	if text == want.value {
		return true
	}
	if len(want.path) == 1 && want.path[0] == "scope" {
		return slices.Contains(strings.Split(text, " "), want.value)
	}
	return false
}

// allowance is what the grant allows for an action on a stream that it is for.
func (g *grant) allowance(action Action) Allowance {
	if action == Publish {
		return Allowance{Filter: g.publishFilter}
	}
	return Allowance{Filter: g.filter, Redaction: g.redaction, Replay: g.replay}
}

func (g *grant) allows(action Action, stream string) bool {
	patterns := g.subscribe
	if action == Publish {
		patterns = g.publish
	}
	return g.byName.match(patterns, stream)
}
