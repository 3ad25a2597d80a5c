package audit

import "time"

// Type is the type of an event: the message of a log record and, with TypePrefix, the
// `ce_type` of a CloudEvent.
type Type string

// TypePrefix precedes a Type in CloudEvents.
const TypePrefix = "sluice.audit."

// The types.
const (
	TypeConnected     Type = "connected"
	TypeRenewed       Type = "renewed"
	TypeDisconnected  Type = "disconnected"
	TypeRefused       Type = "refused"
	TypeSubscribed    Type = "subscribed"
	TypeReplayStarted Type = "replay_started"
	TypeUnsubscribed  Type = "unsubscribed"
	TypePageRead      Type = "page_read"
	TypePublished     Type = "published"
	TypeCursorRead    Type = "cursor_read"
	TypeCursorMoved   Type = "cursor_moved"
	TypeCursorDeleted Type = "cursor_deleted"
	TypeAdministered  Type = "administered"
	TypeReconfigured  Type = "reconfigured"
	TypeReloaded      Type = "reloaded"
	TypeStarted       Type = "started"
	TypeStopped       Type = "stopped"
	TypeEventsLost    Type = "events_lost"
)

// Types returns all types.
func Types() []Type {
	return []Type{
		TypeConnected, TypeRenewed, TypeDisconnected, TypeRefused, TypeSubscribed, TypeReplayStarted, TypeUnsubscribed,
		TypePageRead, TypePublished, TypeCursorRead, TypeCursorMoved, TypeCursorDeleted, TypeAdministered, TypeReconfigured, TypeReloaded,
		TypeStarted, TypeStopped, TypeEventsLost,
	}
}

// Event is what a Recorder records. The types of this package implement it.
type Event interface {
	// Type returns the event's type.
	Type() Type
	// describe adds the event's attributes.
	describe(a *attributes)
}

// Client is the client that an event is about. Empty fields are unknown.
type Client struct {
	// Principal is the principal's key, which is also the key of the event's record.
	Principal, Issuer string
	// Tenant is the tenant that the principal belongs to, empty for none.
	Tenant string
	// TokenID identifies the credential (`jti`), see TokenIDs.
	TokenID string
	// Credential is where the credential was found and its scheme: "header/bearer".
	Credential string
	// Address is the client's, as told by the trusted proxies.
	Address string
	// Session is the id of the session, empty for a single request.
	Session string
}

func (c *Client) describe(a *attributes) {
	a.key = c.Principal
	a.exact("principal", c.Principal)
	a.text("issuer", c.Issuer)
	a.exact("tenant", c.Tenant)
	a.tokenID(c.TokenID)
	a.text("credential", c.Credential)
	a.text("address", c.Address)
	a.text("session", c.Session)
}

// entry is an event on its way to a place. It is never changed.
type entry struct {
	id    string
	at    time.Time
	of    Type
	key   string // empty for none
	attrs attributeList
	bytes int // roughly the memory that it takes
}

// entryBytes is roughly the memory that an entry takes besides its attributes.
const entryBytes = 160

func newEntry(id string, at time.Time, e Event, ids TokenIDs) *entry {
	a := attributes{ids: ids, list: make(attributeList, 0, 12)}
	e.describe(&a)
	return &entry{id: id, at: at, of: e.Type(), key: a.key, attrs: a.list, bytes: entryBytes + len(id) + len(a.key) + a.bytes}
}
