package auth

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

const (
	// DetailsType is the `type` of those authorization details (RFC 9396) that are
	// rights on streams. Details of other types are for other servers and are ignored.
	DetailsType = "sluice"
	// maxDetails bounds the details of a token, of all types.
	maxDetails = 100
)

var errDetails = unauthenticated("the token's authorization_details are malformed")

// detail is an element of `authorization_details`:
//
//	{"type":"sluice","actions":["subscribe"],"streams":["orders"],"filter":"key == claims.sub","replay":"24h"}
//
// Streams are names, never patterns.
type detail struct {
	Actions []string `json:"actions"`
	Streams []string `json:"streams"`
	Filter  string   `json:"filter"`
	Replay  string   `json:"replay"`
}

// Details tells which streams tokens may grant rights on themselves.
type Details struct {
	patterns []Pattern
	byName   byName
	check    FilterCheck // nil for none
}

// FilterCheck returns what is wrong with the filter of a right that a token carries, nil if
// nothing is. The text of the error contains nothing of the filter.
type FilterCheck func(action Action, filter string) error

// NewDetails parses patterns of streams, of which those with a star do not match the
// streams named by name. No patterns match nothing.
func NewDetails(patterns, named []string) (Details, error) {
	made := Details{byName: make(byName)}
	for _, stream := range named {
		made.byName[stream] = true
	}
	var err error
	if made.patterns, err = newPatterns(patterns); err != nil {
		return Details{}, fmt.Errorf("authorization details: %w", err)
	}
	return made, nil
}

// Checked returns the same details, in which a filter that the check refuses is not understood.
// Without it, the filter is found to be at fault when the right is used.
func (d Details) Checked(check FilterCheck) Details {
	d.check = check
	return d
}

// Grants returns the rights in `authorization_details` of claims, a JSON object: on the
// streams that the patterns match, and not on others. A detail of this type with a field
// that is not known is refused, because the field may be a restriction. The error is
// ErrUnauthenticated.
func (d Details) Grants(text []byte) ([]Grant, error) {
	c := claims{}
	if err := c.UnmarshalJSON(text); err != nil {
		return nil, errDetails
	}
	return d.grantsOf(c)
}

func (d Details) grantsOf(c claims) ([]Grant, error) {
	value, ok := c["authorization_details"]
	if !ok || len(d.patterns) == 0 {
		return nil, nil
	}
	elements, ok := value.([]any)
	if !ok || len(elements) > maxDetails {
		return nil, errDetails
	}
	var grants []Grant
	for _, element := range elements {
		members, ok := element.(map[string]any)
		if !ok {
			return nil, errDetails
		}
		if members["type"] != DetailsType {
			continue
		}
		delete(members, "type")
		for _, value := range members {
			if value == nil {
				return nil, errDetails // null may be meant as a restriction
			}
		}
		granted, err := d.grantOf(members)
		if err != nil {
			return nil, err
		}
		if len(granted.Subscribe) > 0 || len(granted.Publish) > 0 {
			grants = append(grants, granted)
		}
	}
	return grants, nil
}

func (d Details) grantOf(members map[string]any) (Grant, error) {
	text, err := json.Marshal(members)
	if err != nil {
		return Grant{}, errDetails
	}
	var asked detail
	decoder := json.NewDecoder(strings.NewReader(string(text)))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&asked); err != nil || len(asked.Actions) == 0 || len(asked.Streams) == 0 {
		return Grant{}, errDetails
	}
	var replay time.Duration
	switch asked.Replay {
	case "":
	case "unlimited":
		replay = ReplayUnlimited
	default:
		if replay, err = time.ParseDuration(asked.Replay); err != nil || replay < 0 {
			return Grant{}, errDetails
		}
	}
	var streams []string
	for _, name := range asked.Streams {
		if name == "" || strings.Contains(name, "*") {
			return Grant{}, errDetails
		}
		if d.byName.match(d.patterns, name) {
			streams = append(streams, name)
		}
	}
	var g Grant
	for _, action := range asked.Actions {
		switch action {
		case Subscribe.String():
			g.Subscribe, g.Filter, g.Replay = streams, asked.Filter, replay
		case Publish.String():
			g.Publish, g.PublishFilter = streams, asked.Filter
		default:
			return Grant{}, errDetails
		}
	}
	if err := d.checkFilter(g, asked.Filter); err != nil {
		return Grant{}, err
	}
	if len(streams) == 0 {
		return Grant{}, nil
	}
	return g, nil
}

func (d Details) checkFilter(g Grant, filter string) error {
	if d.check == nil || filter == "" {
		return nil
	}
	for action, streams := range map[Action][]string{Subscribe: g.Subscribe, Publish: g.Publish} {
		if streams == nil {
			continue
		}
		if err := d.check(action, filter); err != nil {
			return fmt.Errorf("%w: it has a filter that cannot be used, and its issuer has to correct it: %w", errDetails, err)
		}
	}
	return nil
}
