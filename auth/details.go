package auth

import (
	"encoding/json"
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

// grantsOf returns the rights that a token of the issuer carries: on the streams that
// the configuration lets the issuer's tokens grant, and not on others. A detail of this
// type with a field that is not known is refused, because the field may be a
// restriction.
func (by *issuer) grantsOf(c claims) ([]Grant, error) {
	value, ok := c["authorization_details"]
	if !ok || len(by.details) == 0 {
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
		granted, err := by.grantOf(members)
		if err != nil {
			return nil, err
		}
		if len(granted.Subscribe) > 0 || len(granted.Publish) > 0 {
			grants = append(grants, granted)
		}
	}
	return grants, nil
}

func (by *issuer) grantOf(members map[string]any) (Grant, error) {
	text, err := json.Marshal(members)
	if err != nil {
		return Grant{}, errDetails
	}
	var d detail
	decoder := json.NewDecoder(strings.NewReader(string(text)))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&d); err != nil || len(d.Actions) == 0 || len(d.Streams) == 0 {
		return Grant{}, errDetails
	}
	var replay time.Duration
	switch d.Replay {
	case "":
	case "unlimited":
		replay = ReplayUnlimited
	default:
		if replay, err = time.ParseDuration(d.Replay); err != nil || replay < 0 {
			return Grant{}, errDetails
		}
	}
	var streams []string
	for _, name := range d.Streams {
		if name == "" || strings.Contains(name, "*") {
			return Grant{}, errDetails
		}
		if by.byName.match(by.details, name) {
			streams = append(streams, name)
		}
	}
	var g Grant
	for _, action := range d.Actions {
		switch action {
		case Subscribe.String():
			g.Subscribe, g.Filter, g.Replay = streams, d.Filter, replay
		case Publish.String():
			g.Publish, g.PublishFilter = streams, d.Filter
		default:
			return Grant{}, errDetails
		}
	}
	if len(streams) == 0 {
		return Grant{}, nil
	}
	return g, nil
}
