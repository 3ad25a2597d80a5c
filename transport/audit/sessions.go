package audit

import "time"

// Connected means that a session has begun. The client has authenticated, or is anonymous.
type Connected struct {
	Client
	// Transport is the kind of session, as in the label protocol of metrics.
	Transport string
	// ExpiresAt is when the token ends, zero for never.
	ExpiresAt time.Time
}

// Type implements Event.
func (Connected) Type() Type { return TypeConnected }

func (e Connected) describe(a *attributes) {
	e.Client.describe(a)
	a.text("transport", e.Transport)
	a.moment("expires_at", e.ExpiresAt)
}

// Renewed means that a session continues under a new credential of the same principal.
type Renewed struct {
	Client
	ExpiresAt time.Time
}

// Type implements Event.
func (Renewed) Type() Type { return TypeRenewed }

func (e Renewed) describe(a *attributes) {
	e.Client.describe(a)
	a.moment("expires_at", e.ExpiresAt)
}

// The reasons of Disconnected that are no code of the protocol.
const (
	// ByClient: the client has closed the session.
	ByClient = "closed"
	// ByConnection: the connection has ended without a word.
	ByConnection = "connection_ended"
)

// Disconnected means that a session has ended.
type Disconnected struct {
	Client
	Transport string
	// Reason is the code that the client was sent, ByClient or ByConnection.
	Reason string
	// Lasted is how long the session was open.
	Lasted time.Duration
}

// Type implements Event.
func (Disconnected) Type() Type { return TypeDisconnected }

func (e Disconnected) describe(a *attributes) {
	e.Client.describe(a)
	a.text("transport", e.Transport)
	a.text("reason", e.Reason)
	a.number("duration_ms", e.Lasted.Milliseconds())
}
