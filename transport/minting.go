package transport

import (
	"net/http"
	"slices"
	"strings"

	"sluice/auth"
	"sluice/transport/wire"
)

// routesForDevelopment returns the routes that only a server for development has.
func (s *Server) routesForDevelopment() map[string]byMethod {
	if s.config.Minter == nil {
		return nil
	}
	return map[string]byMethod{"/v1/dev/tokens": {http.MethodPost: s.handleMint}}
}

// handleMint serves POST /v1/dev/tokens.
func (s *Server) handleMint(w http.ResponseWriter, r *http.Request) {
	fault := plain(r)
	if !s.fromThisMachine(r) {
		fault = wire.Errorf(wire.Forbidden, "tokens are made at localhost or a loopback address only, and not through a proxy")
	}
	var body []byte
	if fault == nil {
		body, fault = s.operatorsBody(w, r)
	}
	if fault != nil {
		s.refuse(w, r, fault)
		return
	}
	asked, fault := wire.ParseTokenRequest(body)
	if fault != nil {
		s.refuse(w, r, fault)
		return
	}
	token, fault := s.mint(r, asked)
	if fault != nil {
		s.refuse(w, r, fault)
		return
	}
	s.writeView(w, r, struct {
		Token     string `json:"token"`
		ExpiresAt int64  `json:"expires_at"`
	}{token.Reveal(), s.now().Add(asked.Lifetime).UnixMilli()})
}

// mint makes a token, and checks that it is of use: a filter in it may be at fault.
func (s *Server) mint(r *http.Request, asked wire.TokenRequest) (auth.Secret, *wire.Error) {
	claims := asked.Claims
	if claims == nil {
		claims = make(map[string]any)
	}
	if _, twice := claims["authorization_details"]; twice {
		return auth.Secret{}, wire.Errorf(wire.BadRequest, "authorization_details in claims: they are made of subscribe, publish, replay and filter")
	}
	details, fault := s.detailsOf(asked)
	if fault != nil {
		return auth.Secret{}, fault
	}
	if len(details) > 0 {
		claims["authorization_details"] = details
	}
	token, err := s.config.Minter.Mint(claims, asked.Admin, asked.Lifetime)
	if err == nil {
		_, err = s.config.Auth.Authenticate(r.Context(), auth.Bearer(token.Reveal()))
	}
	switch {
	case err == nil:
		return token, nil
	case r.Context().Err() != nil:
		return auth.Secret{}, faultOf(err)
	}
	return auth.Secret{}, &wire.Error{Code: wire.BadRequest, Message: "such a token would be refused: " + err.Error(), Cause: err}
}

// detailsOf returns the rights of a token (RFC 9396). They name streams: patterns stand for
// those that there are.
func (s *Server) detailsOf(asked wire.TokenRequest) (details []map[string]any, fault *wire.Error) {
	if len(asked.Subscribe) == 0 && (asked.Filter != "" || asked.Replay != "") {
		return nil, wire.Errorf(wire.BadRequest, "filter and replay are about the streams in subscribe, and there are none")
	}
	for action, patterns := range map[auth.Action][]string{auth.Subscribe: asked.Subscribe, auth.Publish: asked.Publish} {
		streams, fault := s.streamsThatMatch(patterns)
		if fault != nil {
			return nil, fault
		}
		if len(streams) == 0 {
			continue
		}
		detail := map[string]any{"type": auth.DetailsType, "actions": []string{action.String()}, "streams": streams}
		if action == auth.Subscribe {
			for name, value := range map[string]string{"filter": asked.Filter, "replay": asked.Replay} {
				if value != "" {
					detail[name] = value
				}
			}
		}
		details = append(details, detail)
	}
	return details, nil
}

// streamsThatMatch returns the streams that patterns name.
func (s *Server) streamsThatMatch(patterns []string) (streams []string, fault *wire.Error) {
	for _, text := range patterns {
		pattern, err := auth.NewPattern(text)
		if err != nil {
			return nil, &wire.Error{Code: wire.BadRequest, Message: err.Error(), Cause: err}
		}
		if !strings.Contains(text, "*") {
			streams = append(streams, text)
			continue
		}
		for _, info := range s.config.Hub.StreamsOf("") {
			if pattern.Match(info.Name) {
				streams = append(streams, info.Name)
			}
		}
	}
	slices.Sort(streams)
	return slices.Compact(streams), nil
}
