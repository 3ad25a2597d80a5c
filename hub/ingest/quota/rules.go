package quota

import "time"

// Rule is what one client, or one stream, is admitted. The zero Rule limits nothing.
type Rule struct {
	// Records and Bytes are admitted in a second, on average. 0 is no limit. The bytes of a
	// record are those of its key, its value and its headers.
	Records, Bytes float64
	// Burst is how long unused records and bytes add up. It is required with these.
	Burst time.Duration
	// Concurrent is how many publishes may be in flight on this instance. 0 is no limit.
	Concurrent int
	// Shared makes Records and Bytes the ceiling for all instances together.
	Shared bool
}

// limits reports whether the rule limits anything.
func (r *Rule) limits() bool { return r != nil && (r.Records > 0 || r.Bytes > 0 || r.Concurrent > 0) }

// Set has the rules for each scope. Nil limits nothing.
type Set struct {
	// Principal is for each principal, except anonymous ones.
	Principal *Rule
	// Address is for each client address, or IPv6 /64.
	Address *Rule
	// Stream is for all clients of a stream together.
	Stream *Rule
}

// Rules are the rules in force. They must not be changed once they are in use.
type Rules struct {
	// Set is for all streams without rules of their own. A principal or an address has one
	// quota for all of them.
	Set
	// Streams are the streams with rules of their own, by name. Those that are not nil take
	// the place of the others in that stream, for which clients then have quotas of their
	// own.
	Streams map[string]Set
	// Granted are the rules for principals by the name of their quota (Publisher.Quota).
	// They take the place of all others for principals, who have one such quota for all
	// streams that it is for.
	Granted map[string]*Rule
}

// scope is whose quota it is.
type scope uint8

const (
	byPrincipal scope = iota
	byAddress
	byStream
	scopes
)

var scopeNames = [scopes]string{"principal", "address", "stream"}

func (s Set) rule(by scope) *Rule {
	switch by {
	case byPrincipal:
		return s.Principal
	case byAddress:
		return s.Address
	}
	return s.Stream
}

// rule returns the rule for a scope in a stream, nil for none, and whether it is the
// stream's own.
func (r *Rules) rule(by scope, stream string) (rule *Rule, own bool) {
	if set, ok := r.Streams[stream]; ok {
		if rule := set.rule(by); rule != nil {
			return rule, true
		}
	}
	return r.Set.rule(by), by == byStream
}
