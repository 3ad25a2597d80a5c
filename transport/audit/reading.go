package audit

import "time"

// Reading is what a client reads. The text of a filter can contain personal data: it
// is not recorded, but part of Feed is a digest of it.
type Reading struct {
	Stream string
	// Feed is the stream and, with a filter, a digest of the filter.
	Feed string
	// Keys is how many keys the client asks for, and FilterBytes the length of the text of
	// its filter.
	Keys, FilterBytes int
	// Start is the kind of start: latest, earliest, time, last, cursor, named.
	Start string
}

func (r *Reading) describe(a *attributes) {
	a.text("stream", r.Stream)
	a.text("feed", r.Feed)
	a.numberIf("keys", int64(r.Keys))
	a.numberIf("filter_bytes", int64(r.FilterBytes))
	a.text("start", r.Start)
}

// Subscribed means that a subscription of a session has begun.
type Subscribed struct {
	Client
	Reading
	// Recovered is set if it continues from a position without a gap.
	Recovered bool
}

// Type implements Event.
func (Subscribed) Type() Type { return TypeSubscribed }

func (e Subscribed) describe(a *attributes) {
	e.Client.describe(a)
	e.Reading.describe(a)
	a.flag("recovered", e.Recovered)
}

// ReplayStarted means that a subscription that has begun is sent records that are older than it.
type ReplayStarted struct {
	Client
	Reading
	Replay
}

// Replay is how far back a client reads.
type Replay struct {
	// Behind is how many offsets lie between the start and the tip.
	Behind int64
	// Back is how far back the time is that the client asks for, and Last how many records
	// it asks for; 0 if Start tells neither.
	Back time.Duration
	Last int
	// Claimed is the age of the client's cursor as the cursor says: the client can change
	// it. 0 if Start is no cursor.
	Claimed time.Duration
}

func (r *Replay) describe(a *attributes) {
	a.numberIf("behind", r.Behind)
	a.numberIf("back_ms", r.Back.Milliseconds())
	a.numberIf("last", int64(r.Last))
	a.numberIf("cursor_age_claimed_ms", r.Claimed.Milliseconds())
}

// Type implements Event.
func (ReplayStarted) Type() Type { return TypeReplayStarted }

func (e ReplayStarted) describe(a *attributes) {
	e.Client.describe(a)
	e.Reading.describe(a)
	e.Replay.describe(a)
}

// Unsubscribed means that a subscription has ended before its session.
type Unsubscribed struct {
	Client
	Stream, Feed string
	// Reason is the reason that the client was sent: requested, or forbidden if its
	// rights have become narrower, or another one.
	Reason string
}

// Type implements Event.
func (Unsubscribed) Type() Type { return TypeUnsubscribed }

func (e Unsubscribed) describe(a *attributes) {
	e.Client.describe(a)
	a.text("stream", e.Stream)
	a.text("feed", e.Feed)
	a.text("reason", e.Reason)
}

// PageRead means that a request was answered with a page of records.
type PageRead struct {
	Client
	Reading
	Replay
	Records, Gaps int
}

// Type implements Event.
func (PageRead) Type() Type { return TypePageRead }

func (e PageRead) describe(a *attributes) {
	e.Client.describe(a)
	e.Reading.describe(a)
	e.Replay.describe(a)
	a.number("records", int64(e.Records))
	a.numberIf("gaps", int64(e.Gaps))
}

// CursorActed means that a client has read, moved or deleted a named cursor over HTTP. Acks of
// sessions are not recorded.
type CursorActed struct {
	Client
	// Act is TypeCursorRead, TypeCursorMoved or TypeCursorDeleted.
	Act          Type
	Stream, Name string
	// Reset is set if the cursor was moved whatever was stored.
	Reset bool
}

// Type implements Event.
func (e CursorActed) Type() Type { return e.Act }

func (e CursorActed) describe(a *attributes) {
	e.Client.describe(a)
	a.text("stream", e.Stream)
	a.text("cursor_name", e.Name)
	a.flag("reset", e.Reset)
}
