package audit

import "time"

// Administered means that a request to the operators' listener that can change something was
// answered.
type Administered struct {
	// Address is the operator's.
	Address string
	// Route is the method and path pattern of the request.
	Route string
	// Status is the answer's HTTP status.
	Status int
	// Detail is what the handler says about it: what was revoked, what has changed.
	Detail string
}

// Type implements Event.
func (Administered) Type() Type { return TypeAdministered }

func (e Administered) describe(a *attributes) {
	a.text("address", e.Address)
	a.text("route", e.Route)
	a.number("status", int64(e.Status))
	a.text("detail", e.Detail)
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
