package transport

import (
	"maps"
	"net/http"
	"slices"

	"sluice/auth"
	"sluice/hub"
	"sluice/hub/upstream"
	"sluice/transport/audit"
	"sluice/transport/wire"
)

// session returns what is kept of a client's session.
func (a *auditor) session(source auth.Source, scheme auth.Scheme) *audited {
	if a.recorder == nil {
		return nil
	}
	return &audited{source: source, scheme: scheme}
}

// describe implements party.
func (s *session) describe() audit.Client {
	source, scheme := s.audited.credential()
	return clientAs(s.who(), s.address, s.id, source, scheme)
}

// started records a session that needs no welcome.
func (a *auditor) started(x *session) {
	if x.audited != nil && !x.dialect.converses() {
		a.connected(x)
	}
}

// connected records a session whose client has been identified.
func (a *auditor) connected(x *session) {
	if x.audited == nil || x.audited.connected {
		return
	}
	x.audited.connected, x.audited.since = true, a.now()
	e := audit.Connected{Client: x.describe(), Transport: x.dialect.protocol().String()}
	if p := x.who(); p != nil {
		e.ExpiresAt = p.ExpiresAt()
	}
	a.recorder.Record(e)
	for _, waiting := range x.audited.waiting {
		a.recorder.Record(waiting)
	}
	x.audited.waiting = nil
}

// renewed records that a session continues under another credential.
func (a *auditor) renewed(x *session, p *auth.Principal, by auth.Credential) {
	if x.audited != nil {
		x.audited.presented(by)
		a.recorder.Record(audit.Renewed{Client: x.describe(), ExpiresAt: p.ExpiresAt()})
	}
}

// closes notes why a session is closed: the fault, or nil if the client has closed it.
// A client that was not identified is refused.
func (a *auditor) closes(x *session, fault *wire.Error) {
	switch {
	case x.audited == nil:
	case fault == nil:
		x.audited.reason = audit.ByClient
	case x.audited.connected:
		x.audited.reason = string(fault.Code)
	default:
		a.refuse(x.describe(), fault, audit.ActConnect, routeWS, "", 1)
	}
}

// released records that a session has ended, and what it has published.
func (a *auditor) released(x *session) {
	if x.audited == nil {
		return
	}
	c := x.describe()
	sums := x.audited.end()
	for _, stream := range slices.Sorted(maps.Keys(sums)) {
		a.recorder.Record(publishedBy(c, stream, *sums[stream]))
	}
	if !x.audited.connected {
		return
	}
	reason := x.audited.reason
	if reason == "" {
		reason = audit.ByConnection
	}
	a.recorder.Record(audit.Disconnected{
		Client: c, Transport: x.dialect.protocol().String(), Reason: reason, Lasted: a.now().Sub(x.audited.since),
	})
}

// failed records that the request that a session is answering fails.
func (a *auditor) failed(x *session, fault *wire.Error) {
	if x.audited != nil {
		a.failedAt(x, x.audited.action, x.audited.stream, fault)
	}
}

// failedAt is failed for a request that is answered by the executor.
func (a *auditor) failedAt(x *session, action, stream string, fault *wire.Error) {
	if x.audited != nil {
		a.refuse(x.describe(), fault, action, routeWS, stream, 1)
	}
}

// subscribed records that a session has a subscription.
func (a *auditor) subscribed(x *session, sub *subscription) {
	from := sub.began
	if x.audited == nil || from == nil {
		return
	}
	c := x.describe()
	events := []audit.Event{audit.Subscribed{Client: c, Reading: from.of(sub), Recovered: from.recovered}}
	if from.start != hub.StartLatest {
		events = append(events, audit.ReplayStarted{Client: c, Reading: from.of(sub), Replay: from.replay})
	}
	if !x.audited.connected {
		x.audited.waiting = append(x.audited.waiting, events...)
		return
	}
	for _, e := range events {
		a.recorder.Record(e)
	}
}

// of describes a subscription.
func (b *beginning) of(sub *subscription) audit.Reading {
	return audit.Reading{Stream: sub.Stream(), Feed: sub.Feed().Name(), Keys: b.keys, FilterBytes: b.filter, Start: string(b.start)}
}

// pageRead records that a request is answered with a page.
func (a *auditor) pageRead(r *http.Request, sub *subscription, page *wire.Page) {
	if a.recorder == nil {
		return
	}
	from := sub.began
	a.recorder.Record(audit.PageRead{
		Client: a.clientOf(r), Reading: from.of(sub), Replay: from.replay, Records: len(page.Events), Gaps: len(page.Gaps),
	})
}

// replied records that a session has received the reply to a record.
func (a *auditor) replied(x *session, sub *subscription) {
	if x.audited != nil && sub.began != nil {
		a.recorder.Record(audit.PageRead{Client: x.describe(), Reading: sub.began.of(sub), Replay: sub.began.replay, Records: 1})
	}
}

// unsubscribed records that a subscription has ended before its session.
func (a *auditor) unsubscribed(x *session, sub *subscription, reason wire.Reason) {
	if x.audited != nil {
		a.recorder.Record(audit.Unsubscribed{Client: x.describe(), Stream: sub.Stream(), Feed: sub.Feed().Name(), Reason: string(reason)})
	}
}

// published records the results of records that a session has published. It does not
// block, and can be called when the session has ended.
func (a *auditor) published(x *session, stream string, results []upstream.Stored) {
	if x.audited == nil {
		return
	}
	sum, refused := sumOf(results)
	c := x.describe()
	for _, one := range refused {
		a.refuse(c, one.fault, audit.ActPublish, routeWS, stream, one.count)
	}
	sum.since = a.now()
	if sum.stored+sum.unknown > 0 && !x.audited.publishes(stream, sum) {
		a.recorder.Record(publishedBy(c, stream, sum))
	}
}

func publishedBy(c audit.Client, stream string, sum published) audit.Published {
	return audit.Published{Client: c, Stream: stream, Records: sum.stored, Unknown: sum.unknown, Since: sum.since}
}
