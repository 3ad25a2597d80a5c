package transport

import (
	"context"
	"net/http"
	"strings"
	"time"

	"sluice/auth"
	"sluice/hub"
	"sluice/hub/upstream"
	"sluice/transport/audit"
	"sluice/transport/wire"
)

// auditor records what clients and operators do. Without a recorder it does nothing,
// and its methods return at once. This file is about requests; auditing.go is about
// sessions and subscriptions.
type auditor struct {
	recorder *audit.Recorder // nil for none
	// address returns the address of a request's sender, and known whether a stream is
	// configured.
	address func(*http.Request) string
	known   func(stream string) bool
	now     func() time.Time
}

// newAuditor returns the auditor of a server.
func newAuditor(recorder *audit.Recorder, streams *hub.Hub, address func(*http.Request) string, now func() time.Time) auditor {
	return auditor{
		recorder: recorder, address: address, now: now,
		known: streams.Configured,
	}
}

// owns reports whether a stream is the one that events are stored in.
func (a *auditor) owns(stream string) bool { return stream != "" && stream == a.recorder.Stream() }

// party is who does something: a client, as far as it is known.
type party interface {
	describe() audit.Client
}

// asking is what is known of a request while it is answered. It is owned by the
// goroutine that answers.
type asking struct {
	by party // nil before the client is identified
	// recorded is set if the refusal is recorded already.
	recorded bool
}

type askingKey struct{}

// follow prepares a request for the methods below.
func (a *auditor) follow(r *http.Request) *http.Request {
	if a.recorder == nil {
		return r
	}
	return r.WithContext(context.WithValue(r.Context(), askingKey{}, &asking{}))
}

// identified notes who sends a request. What becomes known of it later is seen too.
func (a *auditor) identified(r *http.Request, by party) {
	if a.recorder == nil {
		return
	}
	if now, ok := r.Context().Value(askingKey{}).(*asking); ok {
		now.by = by
	}
}

// clientOf returns the sender of a request.
func (a *auditor) clientOf(r *http.Request) audit.Client {
	if now, ok := r.Context().Value(askingKey{}).(*asking); ok && now.by != nil {
		return now.by.describe()
	}
	return audit.Client{Address: a.address(r)}
}

// clientAs describes a client.
func clientAs(p *auth.Principal, address, session string, source auth.Source, scheme auth.Scheme) audit.Client {
	c := audit.Client{Address: address, Session: session}
	if source != auth.FromNowhere {
		c.Credential = string(source) + "/" + string(scheme)
	}
	if p != nil {
		c.Principal, c.Issuer, c.TokenID, c.Tenant = p.Key(), p.Issuer(), p.TokenID(), p.Tenant()
	}
	return c
}

// streamNamed returns a stream as a client has named it. One that does not exist can be
// anything, and is cut like other texts of clients.
func (a *auditor) streamNamed(name string) string {
	if name == "" || a.known(name) {
		return name
	}
	return audit.Cut(name)
}

// refused records that a request is answered with a fault.
func (a *auditor) refused(r *http.Request, fault *wire.Error) {
	if a.recorder == nil {
		return
	}
	now, ok := r.Context().Value(askingKey{}).(*asking)
	if ok && now.recorded {
		return
	}
	a.refuse(a.clientOf(r), fault, actionOf(r), routeOf(r), r.PathValue("stream"), 1)
}

func (a *auditor) refuse(c audit.Client, fault *wire.Error, action, route, stream string, count int) {
	e := audit.Refused{
		Client: c, Code: string(fault.Code), Message: fault.Message,
		Action: action, Route: route, Stream: a.streamNamed(stream), Count: int64(count),
	}
	if fault.Cause != nil {
		e.Cause = fault.Cause.Error()
	}
	a.recorder.Refuse(e)
}

// routeWS is the route of what is sent over a WebSocket.
const routeWS = "GET /v1/ws"

// routeOf returns the method and the path pattern of a request. A pattern has nothing
// that the client chooses.
func routeOf(r *http.Request) string {
	if strings.Contains(r.Pattern, " ") {
		return r.Pattern
	}
	method := r.Method
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodOptions:
	default:
		method = "OTHER"
	}
	return strings.TrimSuffix(method+" "+r.Pattern, " ")
}

// actionOf returns what a request is for.
func actionOf(r *http.Request) string {
	switch {
	case r.Pattern == "/v1/ws":
		return audit.ActConnect
	case strings.HasSuffix(r.Pattern, "/events"):
		return audit.ActSubscribe
	case (strings.HasSuffix(r.Pattern, "/records") || strings.HasPrefix(r.Pattern, "/topics/")) && r.Method == http.MethodPost:
		return audit.ActPublish
	case strings.HasSuffix(r.Pattern, "/records"):
		return audit.ActRead
	case strings.HasPrefix(r.Pattern, "/v1/cursors/"):
		return audit.ActCursor
	case strings.HasPrefix(r.Pattern, adminPrefix), strings.Contains(r.Pattern, " "):
		return audit.ActAdminister // only the patterns of the admin listener have methods
	}
	return audit.ActOther
}

// posted records the results of a request that publishes.
func (a *auditor) posted(r *http.Request, stream string, results []upstream.Stored) {
	if a.recorder == nil {
		return
	}
	sum, refused := a.group(r, stream, results)
	if now, ok := r.Context().Value(askingKey{}).(*asking); ok {
		now.recorded = refused
	}
	a.streamed(r, stream, sum)
}

// group records which of the records of a request were refused, and returns what became of
// the others.
func (a *auditor) group(r *http.Request, stream string, results []upstream.Stored) (sum published, anyRefused bool) {
	if a.recorder == nil {
		return published{}, false
	}
	c := a.clientOf(r)
	sum, refused := sumOf(results)
	for _, one := range refused {
		a.refuse(c, one.fault, audit.ActPublish, routeOf(r), stream, one.count)
	}
	return sum, len(refused) > 0
}

// streamed records what a request has published.
func (a *auditor) streamed(r *http.Request, stream string, sum published) {
	if a.recorder != nil && sum.stored+sum.unknown > 0 {
		a.recorder.Publish(audit.Published{Client: a.clientOf(r), Stream: stream, Records: sum.stored, Unknown: sum.unknown})
	}
}

// published is a sum of results.
type published struct {
	stored, unknown int64
	since           time.Time
}

// batchReasons is how many reasons are told apart in a batch. The records with others are
// counted by their code.
const batchReasons = 16

// sameReason reports whether two faults with the same code have the same message and cause.
func sameReason(a, b *wire.Error) bool {
	if a.Message != b.Message || (a.Cause == nil) != (b.Cause == nil) {
		return false
	}
	return a.Cause == nil || a.Cause.Error() == b.Cause.Error()
}

// refusedRecords are records that were not stored, for the same reason, or of which it
// is not known.
type refusedRecords struct {
	fault *wire.Error
	count int
}

func sumOf(results []upstream.Stored) (sum published, refused []refusedRecords) {
next:
	for _, stored := range results {
		switch {
		case stored.Duplicate:
			continue // recorded the first time
		case stored.Err == nil:
			sum.stored++
			continue
		}
		fault := faultOf(stored.Err)
		if fault.Code == wire.PublishUnknown {
			sum.unknown++
		}
		same := -1
		for i := range refused {
			if refused[i].fault.Code != fault.Code {
				continue
			}
			if same = i; sameReason(refused[i].fault, fault) {
				refused[i].count++
				continue next
			}
		}
		if same >= 0 && len(refused) >= batchReasons {
			refused[same].count++
			continue
		}
		refused = append(refused, refusedRecords{fault, 1})
	}
	return sum, refused
}

// beginning is how a subscription has begun.
type beginning struct {
	keys      int
	filter    int // length of the text
	start     hub.StartKind
	replay    audit.Replay
	recovered bool
}

// begins notes how a subscription begins, for the event that follows. It returns nil if
// there will be none.
func (a *auditor) begins(asked wire.Reading, start hub.Start, begun hub.Begun) *beginning {
	if a.recorder == nil {
		return nil
	}
	now := a.now()
	b := &beginning{keys: len(asked.Keys), filter: len(asked.Filter), start: begun.Kind, recovered: begun.Recovered}
	b.replay.Behind, b.replay.Last = begun.Behind, start.Last
	if at := start.Time; start.Kind == hub.StartTime && at.Before(now) {
		b.replay.Back = now.Sub(at)
	}
	// A client can change the time in its cursor.
	if at := start.At; start.Kind == hub.StartCursor && !at.IsZero() && at.Before(now) {
		b.replay.Claimed = now.Sub(at)
	}
	return b
}

// cursorActed records that a request has read, moved or deleted a named cursor.
func (a *auditor) cursorActed(r *http.Request, act audit.Type, stream, name string, reset bool) {
	if a.recorder != nil {
		a.recorder.Record(audit.CursorActed{Client: a.clientOf(r), Act: act, Stream: stream, Name: audit.Cut(name), Reset: reset})
	}
}
