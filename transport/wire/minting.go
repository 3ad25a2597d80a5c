package wire

import (
	"bytes"
	"encoding/json"
	"time"

	"sluice/hub/jsonscan"
)

// The lifetimes that a token for development can have, and the one that it has unless it is
// asked for.
const (
	minTokenLife, maxTokenLife = time.Second, 24 * time.Hour
	defaultTokenLife           = 10 * time.Minute
)

// TokenRequest asks for a token for development.
type TokenRequest struct {
	Claims map[string]any
	// Subscribe and Publish are streams, by name or pattern; Replay and Filter are about
	// the former.
	Subscribe, Publish []string
	Replay, Filter     string
	// Admin asks for the right to operate.
	Admin    bool
	Lifetime time.Duration
}

// ParseTokenRequest parses the body of a request for a token. The rights are checked by who
// makes the token. The error's code is BadRequest.
func ParseTokenRequest(b []byte) (TokenRequest, *Error) {
	if err := checkText(b, Limits{Depth: 16, Keys: 1000}); err != nil {
		err.ID = ""
		return TokenRequest{}, err
	}
	if b = jsonscan.TrimSpace(b); b[0] != '{' {
		return TokenRequest{}, Errorf(BadRequest, "the body must be a JSON object")
	}
	p, r := &parser{}, TokenRequest{Lifetime: defaultTokenLife}
	p.fields("", b, func(name, at string, value []byte) bool {
		switch name {
		case "claims":
			r.Claims = p.claims(at, value)
		case "subscribe":
			r.Subscribe = p.names(at, value)
		case "publish":
			r.Publish = p.names(at, value)
		case "replay":
			r.Replay = p.text(at, value)
		case "filter":
			r.Filter = p.text(at, value)
		case "admin":
			r.Admin = p.flag(at, value)
		case "lifetime":
			if text := p.text(at, value); !p.failed() {
				r.Lifetime = p.span(at, text, minTokenLife, maxTokenLife)
			}
		default:
			return false
		}
		return true
	})
	if p.failed() {
		return TokenRequest{}, p.fault()
	}
	return r, nil
}

// claims reads an object; its numbers stay as they are written.
func (p *parser) claims(pointer string, value []byte) (claims map[string]any) {
	decoder := json.NewDecoder(bytes.NewReader(value))
	decoder.UseNumber()
	if err := decoder.Decode(&claims); err != nil || value[0] != '{' {
		p.refuse(pointer, "must be an object")
	}
	return claims
}

// names is texts for an array that may be empty.
func (p *parser) names(pointer string, value []byte) []string {
	if value[0] == '[' && len(jsonscan.TrimSpace(value[1:])) == 1 {
		return nil
	}
	return p.texts(pointer, value)
}
