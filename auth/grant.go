package auth

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// ReplayUnlimited is, in a Grant and as the answer of Principal.Replay, as far
// back as Kafka keeps.
const ReplayUnlimited time.Duration = math.MaxInt64

// Grant gives rights to the principals that it matches. All the grants that
// match a principal are joined.
type Grant struct {
	// When maps claims to the values that they need to have, all of them. A
	// claim has a value when it is equal to it or is an array with it as an
	// element; `scope` also when it is a space-separated list with it (RFC 8693
	// section 4.2). Booleans and numbers are compared as they stand in the
	// token. Nothing here is a pattern, and letter case matters. A name that
	// begins with a slash is a JSON Pointer (RFC 6901) to a claim further down:
	// `/realm_access/roles`.
	//
	// A grant with no conditions is for everyone with a token. The claims are
	// those of any of the issuers: where they are not to be trusted alike, name
	// `iss` too.
	When map[string]string
	// Anonymous makes the grant for everyone, with a token or without. It goes
	// with no conditions.
	Anonymous bool
	// Subscribe and Publish are patterns of streams, see Pattern.
	Subscribe []string
	Publish   []string
	// Replay is how far back those who may subscribe may read. 0 is not at all.
	Replay time.Duration
}

// grant is a Grant that has been checked. It is never changed.
type grant struct {
	anonymous  bool
	conditions []condition
	subscribe  []Pattern
	publish    []Pattern
	replay     time.Duration
}

type condition struct {
	path  []string
	value string
}

func newGrant(g Grant) (*grant, error) {
	switch {
	case g.Anonymous && len(g.When) > 0:
		return nil, errors.New("an anonymous grant can have no conditions")
	case len(g.Subscribe) == 0 && len(g.Publish) == 0:
		return nil, errors.New("it gives no right: neither subscribe nor publish")
	case g.Replay < 0:
		return nil, errors.New("replay is negative")
	case g.Replay > 0 && len(g.Subscribe) == 0:
		return nil, errors.New("replay without subscribe")
	}
	made := &grant{anonymous: g.Anonymous, replay: g.Replay}
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

// claimPath splits a name into the members to go down through.
func claimPath(name string) ([]string, error) {
	if name == "" {
		return nil, errors.New("a condition has no claim")
	}
	pointer, ok := strings.CutPrefix(name, "/")
	if !ok {
		return []string{name}, nil
	}
	path := strings.Split(pointer, "/")
	for i, part := range path {
		// In this order: RFC 6901 section 4.
		path[i] = strings.ReplaceAll(strings.ReplaceAll(part, "~1", "/"), "~0", "~")
	}
	return path, nil
}

// matches reports whether the grant is for whoever has these claims.
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

func (g *grant) allows(action Action, stream string) bool {
	patterns := g.subscribe
	if action == Publish {
		patterns = g.publish
	}
	return slices.ContainsFunc(patterns, func(p Pattern) bool { return p.Match(stream) })
}
