package auth

import (
	"errors"
	"fmt"
)

// Errors of this package. Their texts, and those of the errors that wrap them, never
// contain a token, a secret, or anything else that a client sent, so they can be
// logged unchanged.
var (
	// ErrUnauthenticated: there is no credential where one is needed, or the
	// credential is damaged, forged, for another audience, or not valid yet.
	ErrUnauthenticated = errors.New("the client is not authenticated")
	// ErrNoCredential: there is no credential where one is needed. It wraps
	// ErrUnauthenticated.
	ErrNoCredential = fmt.Errorf("%w: a credential is required", ErrUnauthenticated)
	// ErrInvalidProof: the proof of possession that a request carries is not valid for
	// it. It wraps ErrUnauthenticated.
	ErrInvalidProof = fmt.Errorf("%w: the proof of possession is not valid", ErrUnauthenticated)
	// ErrTokenExpired: the token is good except that it has expired. This error does
	// not wrap ErrUnauthenticated.
	ErrTokenExpired = errors.New("the token has expired")
	// ErrForbidden: the principal is known but lacks the right.
	ErrForbidden = errors.New("the principal is not allowed to do this")
	// ErrOriginRefused: a browser sent a cookie or used a client certificate from an
	// origin that is not allowed, or sent a cookie without its origin. It wraps
	// ErrForbidden.
	ErrOriginRefused = fmt.Errorf("%w: the origin is not allowed to use a cookie or client certificate", ErrForbidden)
	// ErrPrincipalChanged: the token that was to renew a session belongs to another
	// principal. It wraps ErrForbidden.
	ErrPrincipalChanged = fmt.Errorf("%w: the token belongs to another principal", ErrForbidden)
	// ErrAmbiguousCredentials: the request has more than one credential.
	ErrAmbiguousCredentials = errors.New("the request has more than one credential")
	// ErrUnsupportedCredential: the credential is of a kind, or in a part of the
	// request, that is not supported or not enabled.
	ErrUnsupportedCredential = errors.New("the credential is not supported")
	// ErrKeysUnavailable: the token may be valid, but the key that it names is
	// unknown and the issuer's keys cannot be fetched now. The client can retry
	// after KeysRetryAfter.
	ErrKeysUnavailable = errors.New("the issuer's keys are unavailable")
	// ErrRightsUnavailable: the principal lacks the right, but may have it once its
	// rights are known (Principal.Undecided), or once a service that decides about them
	// answers. The client can retry.
	ErrRightsUnavailable = errors.New("the rights are unavailable")
	// ErrVerifierUnavailable: the credential may be valid, but what it is checked with,
	// such as another server, is unavailable or overloaded. The client can retry soon.
	ErrVerifierUnavailable = errors.New("the credential cannot be verified now")
	// ErrRevoked: the credential was revoked. The holder may obtain another one. This
	// error does not wrap ErrUnauthenticated.
	ErrRevoked = errors.New("the credential was revoked")
	// ErrStoreUnavailable: the store of tickets and revocations does not answer. The
	// credential may be valid.
	ErrStoreUnavailable = errors.New("the store of tickets and revocations is unavailable")
	// ErrTooManyTickets: the principal has asked for more tickets than it may. The
	// client can retry once some have expired.
	ErrTooManyTickets = errors.New("the principal has too many tickets")
	// ErrBadRevocation: a revocation is not valid. The text says why, and contains
	// nothing of it.
	ErrBadRevocation = errors.New("the revocation is not valid")
	// ErrTooManyRevocations: there are as many revocations as can be kept.
	ErrTooManyRevocations = errors.New("there are too many revocations")
)

// unauthenticated returns an error with a fixed reason why a token is refused. It
// takes no argument from the token, so that no part of a token gets into a log.
func unauthenticated(why string) error {
	return fmt.Errorf("%w: %s", ErrUnauthenticated, why)
}
