package transport

import (
	"net/http"

	"sluice/auth"
)

// principalView describes a principal to itself.
type principalView struct {
	// Principal is the subject of the credential, empty for an anonymous client.
	Principal string `json:"principal"`
	Tenant    string `json:"tenant,omitempty"`
	Anonymous bool   `json:"anonymous"`
	// Admin is set if the principal may use the paths below /v1/admin.
	Admin bool `json:"admin"`
	// ExpiresAt is when the credential ends, in Unix milliseconds, 0 for never.
	ExpiresAt int64 `json:"expires_at,omitempty"`
	// Mint is set if whoever asks can have tokens made, which is so for development only.
	Mint bool `json:"mint,omitempty"`
}

func viewOf(p *auth.Principal) principalView {
	v := principalView{Tenant: p.Tenant(), Anonymous: p.Anonymous()}
	if !p.Anonymous() {
		v.Principal = p.ID() // that of an anonymous client is its address
	}
	if ends := p.ExpiresAt(); !ends.IsZero() {
		v.ExpiresAt = ends.UnixMilli()
	}
	return v
}

// handlePrincipal serves GET /v1/principal.
func (s *Server) handlePrincipal(w http.ResponseWriter, r *http.Request) {
	c := s.identifyPlain(r)
	if c.fault != nil {
		s.refuse(w, r, c.fault)
		return
	}
	v := viewOf(c.principal)
	v.Admin = s.mayOperate(r, c.principal, operatorRoute{}) == nil
	v.Mint = s.config.Minter != nil && s.fromThisMachine(r)
	s.writeView(w, r, v)
}
