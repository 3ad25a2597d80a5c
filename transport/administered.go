package transport

import (
	"context"
	"net"
	"net/http"
	"sync"

	"sluice/auth"
	"sluice/transport/audit"
)

// administering is what is known of an operator's request while it is answered.
type administering struct {
	mu      sync.Mutex
	revoked *audit.Revoked
	target  *audit.Target
}

type administeringKey struct{}

// noteRevocation adds what an operator's request asks to revoke to the event about it.
func noteRevocation(r *http.Request, asked auth.Revocation) {
	if now, ok := r.Context().Value(administeringKey{}).(*administering); ok {
		now.mu.Lock()
		now.revoked = revokedBy(asked)
		now.mu.Unlock()
	}
}

// noteTarget adds what an operator's request is about to the event about it.
func noteTarget(r *http.Request, target audit.Target) {
	if now, ok := r.Context().Value(administeringKey{}).(*administering); ok {
		now.mu.Lock()
		now.target = &target
		now.mu.Unlock()
	}
}

func revokedBy(r auth.Revocation) *audit.Revoked {
	return &audit.Revoked{
		Issuer: r.Issuer, Subject: r.Subject, TokenID: r.TokenID, SessionID: r.SessionID, Tenant: r.Tenant, Before: r.Before,
	}
}

// loggedOut records that the logout token of an issuer was accepted.
func (a *auditor) loggedOut(r *http.Request, revoked auth.Revocation) {
	if a.recorder != nil {
		a.recorder.Record(audit.Administered{Address: a.address(r), Route: routeOf(r), Status: http.StatusOK, Revoked: revokedBy(revoked)})
	}
}

// administration records the requests to the operators' listener that can change
// something: all but those whose method is safe (RFC 9110, section 9.2.1).
func (a *auditor) administration(next http.Handler) http.Handler {
	if a.recorder == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.Method {
		case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace:
			next.ServeHTTP(w, r)
			return
		}
		a.administer(next, w, r, func(r *http.Request, status int, e audit.Administered) {
			e.Address = hostOf(r.RemoteAddr)
			a.recorder.Record(e)
		})
	})
}

// operated records an act of a principal over the clients' listener. An attempt that is
// refused is recorded as such.
func (a *auditor) operated(next http.Handler, w http.ResponseWriter, r *http.Request) {
	if a.recorder == nil {
		next.ServeHTTP(w, r)
		return
	}
	a.administer(next, w, r, func(r *http.Request, status int, e audit.Administered) {
		if status < http.StatusBadRequest {
			c := a.clientOf(r)
			e.Address, e.Operator, e.Credential = c.Address, c.Principal, c.Credential
			a.recorder.Record(e)
		}
	})
}

// administer serves an operator's request, and then has it recorded.
func (a *auditor) administer(next http.Handler, w http.ResponseWriter, r *http.Request, record func(*http.Request, int, audit.Administered)) {
	now := &administering{}
	r = r.WithContext(context.WithValue(r.Context(), administeringKey{}, now))
	answered := &statusWriter{ResponseWriter: w, status: http.StatusInternalServerError} // if the handler panics
	defer func() {
		now.mu.Lock()
		defer now.mu.Unlock()
		record(r, answered.status, audit.Administered{Route: routeOf(r), Status: answered.status, Revoked: now.revoked, Target: now.target})
	}()
	next.ServeHTTP(answered, r)
	if !answered.written {
		answered.status = http.StatusOK
	}
}

// statusWriter notes the status of an answer.
type statusWriter struct {
	http.ResponseWriter
	status  int
	written bool
}

// WriteHeader implements http.ResponseWriter.
func (w *statusWriter) WriteHeader(status int) {
	if !w.written && status >= http.StatusOK {
		w.status, w.written = status, true
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (w *statusWriter) Write(p []byte) (int, error) {
	if !w.written {
		w.status, w.written = http.StatusOK, true
	}
	return w.ResponseWriter.Write(p)
}

// Unwrap implements the interface that http.ResponseController looks for.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// hostOf returns the address without the port.
func hostOf(address string) string {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return address
	}
	return host
}
