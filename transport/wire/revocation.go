package wire

import (
	"math"
	"strconv"
	"time"

	"sluice/hub/jsonscan"
)

// latestMilli is the end of the year 9999 in Unix milliseconds.
const latestMilli = 253402300799999

// Revocation is what an operator asks to be revoked.
type Revocation struct {
	Issuer, Subject, TokenID, SessionID, Tenant string
	// BeforeAt is in Unix milliseconds, 0 if it is left out.
	BeforeAt int64
	// For is how long it is to be kept, 0 if it is left out.
	For time.Duration
}

// ParseRevocation parses the body of a request to revoke. What must be in it is for the
// caller to check. The error's code is BadRequest.
func ParseRevocation(b []byte) (Revocation, *Error) {
	if err := checkText(b, Limits{Depth: 2, Keys: 32}); err != nil {
		err.ID = ""
		return Revocation{}, err
	}
	if b = jsonscan.TrimSpace(b); b[0] != '{' {
		return Revocation{}, Errorf(BadRequest, "the body must be a JSON object")
	}
	p := &parser{}
	r := p.revocation(b)
	if p.failed() {
		return Revocation{}, p.fault()
	}
	return r, nil
}

func (p *parser) revocation(b []byte) (r Revocation) {
	texts := map[string]*string{
		"issuer": &r.Issuer, "subject": &r.Subject, "token_id": &r.TokenID, "session_id": &r.SessionID, "tenant": &r.Tenant,
	}
	p.fields("", b, func(name, at string, value []byte) bool {
		if to := texts[name]; to != nil {
			// An empty one would be taken for one that is left out, and revoke more.
			if *to = p.text(at, value); *to == "" && !p.failed() {
				p.refuse(at, "is empty")
			}
			return true
		}
		switch name {
		case "before_at":
			r.BeforeAt = p.whole(at, value, latestMilli)
		case "for_ms":
			r.For = time.Duration(p.whole(at, value, int64(math.MaxInt64/time.Millisecond))) * time.Millisecond
		default:
			return false
		}
		return true
	})
	return r
}

// whole reads an integer from 1 to most.
func (p *parser) whole(at string, value []byte, most int64) int64 {
	n, err := strconv.ParseInt(string(value), 10, 64)
	if err != nil || n < 1 || n > most {
		p.refuse(at, "must be an integer from 1 to %d", most)
		return 0
	}
	return n
}
