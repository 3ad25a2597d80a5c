package transport

import (
	"net/http/httptest"
	"testing"

	"sluice/auth"
	"sluice/hub"
	"sluice/hub/upstream"
	"sluice/transport/audit"
	"sluice/transport/wire"
)

// TestWithoutAnAuditNothingIsPaid: the hooks of a server without a recorder allocate
// nothing.
func TestWithoutAnAuditNothingIsPaid(t *testing.T) { //nolint:paralleltest // counts allocations
	var a auditor
	r := httptest.NewRequest("GET", "/v1/streams", nil)
	x, sub, fault := &session{}, &subscription{}, &wire.Error{Code: wire.Forbidden}
	results := []upstream.Stored{{Err: upstream.ErrPublishUnknown}}
	c := &client{}
	hooks := func() {
		_ = a.follow(r)
		a.identified(r, c)
		a.refused(r, fault)
		a.posted(r, results)
		a.pageRead(r, sub, nil)
		a.cursorActed(r, audit.TypeCursorRead, "orders", "n", false)
		a.reconfigured("limits")
		a.started(x)
		a.connected(x)
		a.closes(x, fault)
		a.released(x)
		a.failed(x, fault)
		a.failedAt(x, audit.ActCursor, "orders", fault)
		a.subscribed(x, sub)
		a.unsubscribed(x, sub, wire.ReasonForbidden)
		a.published(x, "orders", results)
		x.audited.presented(auth.Credential{})
		x.audited.asks(audit.ActPublish, "orders")
		_ = a.begins(hub.Start{}, hub.Begun{})
		_ = a.session("", "")
		_ = a.owns("orders")
	}
	if n := testing.AllocsPerRun(100, hooks); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
