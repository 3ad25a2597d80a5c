package transport

import (
	"errors"
	"net/http"
	"strings"

	"sluice/auth"
	"sluice/transport/wire"
)

// challenges returns the WWW-Authenticate headers of an answer with the status 401: one
// for each scheme (RFC 6750 section 3, RFC 9449 section 7.1). The error belongs to the
// scheme that the request has used; a request without a credential is told none.
func challenges(r *http.Request, fault *wire.Error, algorithms []string) []string {
	bearer, dpop := "Bearer", `DPoP algs="`+strings.Join(algorithms, " ")+`"`
	scheme, _, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	var wrong string
	switch {
	case errors.Is(fault, auth.ErrNoCredential):
	case errors.Is(fault, auth.ErrInvalidProof):
		wrong = `error="invalid_dpop_proof"`
	case fault.Code == wire.TokenExpired:
		wrong = `error="invalid_token", error_description="the token has expired"`
	default:
		wrong = `error="invalid_token"`
	}
	switch {
	case wrong == "":
	case len(algorithms) > 0 && strings.EqualFold(scheme, string(auth.SchemeDPoP)):
		dpop += ", " + wrong
	default:
		bearer += " " + wrong
	}
	if len(algorithms) == 0 {
		return []string{bearer}
	}
	return []string{bearer, dpop}
}
