package auth

import (
	"errors"
	"fmt"
)

// Errors of this package. Their texts, and those of the errors that wrap them,
// never hold a token, a secret, or anything else that a client sent, so they
// can be logged as they are.
var (
	// ErrUnauthenticated: no credential where one is needed, or one that is
	// damaged, forged, for another audience, or not valid yet.
	ErrUnauthenticated = errors.New("the client is not authenticated")
	// ErrTokenExpired: nothing is wrong with the token but that it has ended.
	// It is not also an ErrUnauthenticated.
	ErrTokenExpired = errors.New("the token has expired")
	// ErrForbidden: the principal is known and has no right to do this.
	ErrForbidden = errors.New("the principal has no right to do this")
	// ErrOriginRefused: a browser sent a cookie from an origin that is not
	// allowed, or did not say from which. It is also an ErrForbidden.
	ErrOriginRefused = fmt.Errorf("%w: the origin is not allowed to use a cookie", ErrForbidden)
	// ErrPrincipalChanged: the token that was to renew a session is somebody
	// else's. It is also an ErrForbidden.
	ErrPrincipalChanged = fmt.Errorf("%w: the token is another principal's", ErrForbidden)
	// ErrAmbiguousCredentials: a request with two explicit credentials.
	ErrAmbiguousCredentials = errors.New("the request has more than one credential")
	// ErrUnsupportedCredential: a credential in a place or of a kind that is
	// not supported, or not switched on.
	ErrUnsupportedCredential = errors.New("the credential is not supported")
	// ErrKeysUnavailable: the token may be good, but the key that it names is
	// not known and the issuer's keys cannot be fetched now. It can be tried
	// again after KeysRetryAfter.
	ErrKeysUnavailable = errors.New("the issuer's keys are unavailable")
)

// unauthenticated says in fixed words why a token is refused. It takes no
// argument from the token, so that none can get into a log.
func unauthenticated(why string) error {
	return fmt.Errorf("%w: %s", ErrUnauthenticated, why)
}
