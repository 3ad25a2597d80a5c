package audit

import "time"

// Administered means that a request to the operators' listener that can change something,
// or the logout token of an issuer, was answered, or that a principal with the right to
// operate has done so over the clients' listener.
type Administered struct {
	// Address is the operator's, or the issuer's.
	Address string
	// Operator is the key of the principal that operates, empty for the operators' listener,
	// and Credential where its credential was found, and its scheme.
	Operator, Credential string
	// Route is the method and path pattern of the request.
	Route string
	// Status is the answer's HTTP status.
	Status int
	// Revoked is what the request asks to revoke, nil for nothing.
	Revoked *Revoked
	// Target is what else the request is about, nil for nothing.
	Target *Target
}

// Target is the session or the named cursor that an operator's request is about.
type Target struct {
	// Session is the id of a session.
	Session string
	// Stream and Name are those of a named cursor, and To is where it is moved to.
	Stream, Name, To string
	// Principal is the key of the principal whose session or cursor it is, and Tenant the
	// tenant that it belongs to.
	Principal, Tenant string
}

// Revoked names credentials. Exactly one of Subject, TokenID, SessionID and Tenant is set.
type Revoked struct {
	// Issuer is the issuer of the credentials, empty for every issuer.
	Issuer string
	// TokenID and SessionID are recorded as TokenIDs says.
	Subject, TokenID, SessionID, Tenant string
	// Before limits the revocation to credentials that are older, zero for all.
	Before time.Time
}

// Type implements Event.
func (Administered) Type() Type { return TypeAdministered }

func (e Administered) describe(a *attributes) {
	a.text("address", e.Address)
	a.exact("operator", e.Operator)
	a.text("credential", e.Credential)
	a.text("route", e.Route)
	a.number("status", int64(e.Status))
	if t := e.Target; t != nil {
		a.text("target_session", t.Session)
		a.exact("target_principal", t.Principal)
		a.exact("target_tenant", t.Tenant)
		a.text("stream", t.Stream)
		a.text("cursor_name", t.Name)
		a.text("moved_to", t.To)
	}
	if r := e.Revoked; r != nil {
		a.text("issuer", r.Issuer)
		a.text("subject", r.Subject)
		a.tokenID(r.TokenID)
		a.identifier("session_id", r.SessionID)
		a.text("tenant", r.Tenant)
		a.moment("before", r.Before)
		a.text("revoked", r.kind())
	}
}

// kind names what is set.
func (r *Revoked) kind() string {
	switch {
	case r.TokenID != "":
		return "token"
	case r.SessionID != "":
		return "session"
	case r.Subject != "":
		return "subject"
	default:
		return "tenant"
	}
}

// Reconfigured means that a part of the configuration in force was replaced.
type Reconfigured struct {
	// Part is a field of the configuration: grants, streams, auth/issuers,
	// limits/ping_every.
	Part string
	// Detail says more: the fault, if not all could be replaced.
	Detail string
}

// Type implements Event.
func (Reconfigured) Type() Type { return TypeReconfigured }

func (e Reconfigured) describe(a *attributes) {
	a.text("part", e.Part)
	a.text("detail", e.Detail)
}

// The outcomes of a Reloaded.
const (
	// ReloadDone: the new configuration is in force.
	ReloadDone = "done"
	// ReloadIncomplete: a part is in force, and the rest is as before.
	ReloadIncomplete = "incomplete"
	// ReloadRefused: the configuration is as before.
	ReloadRefused = "refused"
)

// Reloaded means that an operator had the configuration loaded again.
type Reloaded struct {
	// Outcome is one of the constants.
	Outcome string
	// Changed is the number of fields that were replaced, and Restart that of changed
	// fields that take effect after a restart.
	Changed, Restart int
	// Detail is the fault.
	Detail string
}

// Type implements Event.
func (Reloaded) Type() Type { return TypeReloaded }

func (e Reloaded) describe(a *attributes) {
	a.text("outcome", e.Outcome)
	a.number("changed", int64(e.Changed))
	a.numberIf("restart", int64(e.Restart))
	a.text("detail", e.Detail)
}

// Started means that the instance has started.
type Started struct{ Version string }

// Type implements Event.
func (Started) Type() Type { return TypeStarted }

func (e Started) describe(a *attributes) { a.text("version", e.Version) }

// Stopped means that the instance stops, and all its sessions have ended. It is the last event.
type Stopped struct{}

// Type implements Event.
func (Stopped) Type() Type { return TypeStopped }

func (Stopped) describe(*attributes) {}

// EventsLost means that events before this one are missing in the place that has this event.
type EventsLost struct {
	Events int64
	// Since is when the first was lost.
	Since time.Time
}

// Type implements Event.
func (EventsLost) Type() Type { return TypeEventsLost }

func (e EventsLost) describe(a *attributes) {
	a.number("events", e.Events)
	a.moment("since", e.Since)
}
