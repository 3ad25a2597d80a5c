package audit

// The actions of Refused.
const (
	ActConnect     = "connect"
	ActSubscribe   = "subscribe"
	ActUnsubscribe = "unsubscribe"
	ActRead        = "read"
	ActPublish     = "publish"
	ActCursor      = "cursor"
	ActRenew       = "renew"
	ActAdminister  = "administer"
	ActOther       = "other"
)

// Refused means that requests or records of a client were answered with a fault.
type Refused struct {
	Client
	// Code and Message are what the client was told; Cause is the reason for operators.
	Code, Message, Cause string
	// Action is one of the actions above, Route the method and path pattern of the
	// request.
	Action, Route string
	Stream        string
	// Count is how many were refused within a second with this code, message and cause, to
	// the same address and principal. The other attributes are those of the first. Message
	// and Cause are empty for what has other reasons than the first eight.
	Count int64
	// Others is set if the event stands for clients of many addresses, which are not
	// named.
	Others bool
}

// Type implements Event.
func (Refused) Type() Type { return TypeRefused }

func (e Refused) describe(a *attributes) {
	e.Client.describe(a)
	a.text("code", e.Code)
	a.text("message", e.Message)
	a.text("cause", e.Cause)
	a.text("action", e.Action)
	a.text("route", e.Route)
	a.text("stream", e.Stream)
	a.number("count", e.Count)
	a.flag("others", e.Others)
}
