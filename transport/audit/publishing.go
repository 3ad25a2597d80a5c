package audit

import "time"

// Published means that a client has published records. There is one event for a session and
// stream, at the end of the session; and for requests one for a principal, address and
// stream in every Config.SumEvery. Records that were refused are in Refused.
type Published struct {
	Client
	Stream string
	// Records were stored, and of Unknown it is not known.
	Records, Unknown int64
	// Since is when the first was answered.
	Since time.Time
}

// Type implements Event.
func (Published) Type() Type { return TypePublished }

func (e Published) describe(a *attributes) {
	e.Client.describe(a)
	a.text("stream", e.Stream)
	a.number("records", e.Records)
	a.numberIf("unknown", e.Unknown)
	a.moment("since", e.Since)
}
