package auth

import "time"

// Verdict is what an Authority says about an action of a principal on a stream.
type Verdict uint8

// The verdicts.
const (
	// Silent: the grants decide alone.
	Silent Verdict = iota
	// Allowed gives the right, as a grant with a pattern would: not on a stream of
	// Config.ByName, for which it is Silent.
	Allowed
	// AllowedByName gives the right, as a grant that names the stream would.
	AllowedByName
	// Denied takes the right away, whatever the grants say.
	Denied
)

// Authority decides on rights beside the grants, for example by access control lists
// that are kept elsewhere.
type Authority interface {
	// Rulings returns what the authority says now. It is called at every
	// authentication, by many goroutines at once, and must not block. As long as the
	// authority says the same, it returns the same pointer.
	Rulings() *Rulings
}

// Rulings are what an Authority says at one time. They never change.
type Rulings struct {
	// Name makes the name under which the authority knows an identity. Anonymous clients,
	// and identities for which Name makes none, have the name "".
	Name *Template
	// Judge returns the verdict for a name, on a stream as the tenant sees it. It is
	// called often, by many goroutines at once, and must not block.
	Judge func(name, tenant string, action Action, stream string) Verdict
	// Replay is how far back the streams that Judge allows to subscribe to may be read.
	Replay time.Duration
	// Incomplete is set while a part of what the authority has to say is not known. A
	// right that is missing may then be there soon.
	Incomplete bool
}

// rulings returns what the authority says now, nil without one.
func (a *Authenticator) rulings() *Rulings {
	if a.authority == nil {
		return nil
	}
	return a.authority.Rulings()
}

// ruling is what an Authority says about one principal.
type ruling struct {
	from   *Rulings // nil without an authority
	name   string
	tenant string
	byName byName
}

// rulingOn returns the ruling on an identity.
func (r *Rulings) rulingOn(id *Identity, c claims, tenant string, named byName) ruling {
	if r == nil {
		return ruling{}
	}
	return ruling{from: r, name: r.Name.nameOf(id, c), tenant: tenant, byName: named}
}

// judge returns Silent, Allowed or Denied.
func (r ruling) judge(action Action, stream string) Verdict {
	if r.from == nil {
		return Silent
	}
	switch verdict := r.from.Judge(r.name, r.tenant, action, stream); verdict {
	case AllowedByName:
		return Allowed
	case Allowed:
		if r.byName[stream] {
			return Silent
		}
		return Allowed
	case Silent, Denied:
		return verdict
	}
	return Denied
}

// allowance is what an authority allows for an action on a stream.
func (r ruling) allowance(action Action) Allowance {
	if action == Publish {
		return Allowance{}
	}
	return Allowance{Replay: r.from.Replay}
}

// Undecided reports whether a right that the principal does not have may be missing
// only because it is not known yet. Then a refusal is not final.
func (p *Principal) Undecided() bool { return p.ruling.from != nil && p.ruling.from.Incomplete }
