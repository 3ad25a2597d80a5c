package transport

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"sluice/auth"
	"sluice/hub"
	"sluice/hub/upstream"
	"sluice/transport/audit"
	"sluice/transport/wire"
)

// TestActsOfOperatorsHaveTheirDetail: a handler can say what it has done, and the answer
// is told as it is, also if the handler panics.
func TestActsOfOperatorsHaveTheirDetail(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	recorder, err := audit.New(audit.Config{
		Log: true, Queue: 100, QueueBytes: 1 << 20, TokenIDs: audit.TokenIDsPlain, SumEvery: time.Minute, DrainTimeout: time.Second,
		Logger: slog.New(slog.NewTextHandler(&log, nil)), Now: time.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	a := auditor{recorder: recorder}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /revocations", func(w http.ResponseWriter, r *http.Request) {
		noteRevocation(r, auth.Revocation{Subject: "u42\n", Issuer: "id.example.com"})
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("POST /reload", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("done")) })
	mux.HandleFunc("POST /nothing", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("POST /broken", func(http.ResponseWriter, *http.Request) { panic("a bug") })
	mux.HandleFunc("GET /look", func(_ http.ResponseWriter, r *http.Request) { noteRevocation(r, auth.Revocation{Subject: "u42"}) })
	handler := a.administration(mux)
	for _, route := range []string{"POST /revocations", "POST /reload", "POST /nothing", "POST /broken", "GET /look"} {
		func() {
			defer func() { _ = recover() }()
			method, path, _ := strings.Cut(route, " ")
			handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(method, path, nil))
		}()
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := recorder.Run(ctx); err != nil {
		t.Fatal(err)
	}
	var got []string
	for line := range strings.Lines(log.String()) {
		if _, rest, ok := strings.Cut(strings.TrimSpace(line), "address=192.0.2.1 "); ok {
			got = append(got, rest)
		}
	}
	want := []string{
		`route="POST /revocations" status=204 issuer=id.example.com subject=u42\n revoked=subject`, `route="POST /reload" status=200`,
		`route="POST /nothing" status=200`, `route="POST /broken" status=500`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

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
		a.posted(r, "orders", results)
		_, _ = a.group(r, "orders", results)
		a.streamed(r, "orders", published{})
		a.pageRead(r, sub, nil)
		a.cursorActed(r, audit.TypeCursorRead, "orders", "n", false)
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
		_ = a.begins(wire.Reading{}, hub.Start{}, hub.Begun{})
		_ = a.session("", "")
		_ = a.owns("orders")
	}
	if n := testing.AllocsPerRun(100, hooks); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
