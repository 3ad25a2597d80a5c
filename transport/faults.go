package transport

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"sluice/auth"
	"sluice/hub"
	"sluice/hub/cursors"
	"sluice/hub/filter/expr"
	"sluice/hub/ingest"
	"sluice/hub/record"
	"sluice/hub/upstream"
	"sluice/transport/rights"
	"sluice/transport/wire"
)

// errNoProgress is returned when the peer has accepted nothing for too long.
var errNoProgress = errors.New("the peer accepts no data")

// errTenantPublishes means that the clients of a tenant have as many publishes in flight
// as they may.
var errTenantPublishes = errors.New("too many publishes of the tenant are in flight")

// overloadError is the error of publishes that are refused because deliveries are late.
type overloadError struct{ retryAfter time.Duration }

func (*overloadError) Error() string { return "the instance is busy delivering" }

// errNoSchemaYet means that the schema of a stream is in a registry that has not answered yet.
var errNoSchemaYet = errors.New("the schema of the stream is not known yet")

// faultTable maps errors of the domain to faults of the protocol and the messages
// that clients are sent. The first row that errors.Is matches counts. Statuses,
// close codes and metric labels follow from the code.
var faultTable = []struct {
	err     error
	code    wire.Code
	message string
	retry   time.Duration
}{
	{auth.ErrTokenExpired, wire.TokenExpired, "the token has expired: reconnect with a new token", 0},
	{auth.ErrRevoked, wire.Revoked, "the credential was revoked: reconnect with a new one", 0},
	{auth.ErrAmbiguousCredentials, wire.BadRequest, "the request has more than one credential: send one", 0},
	{auth.ErrPrincipalChanged, wire.Forbidden, "the token belongs to another principal: renew with a token of the same principal", 0},
	{auth.ErrForbidden, wire.Forbidden, "the principal is not allowed to do this", 0},
	{rights.ErrUnusable, wire.Forbidden, "the right to this stream has a filter that cannot be used: whoever gave the right has to correct it", 0},
	{auth.ErrKeysUnavailable, wire.Overloaded, "the issuer's keys are unavailable", 30 * time.Second},
	{auth.ErrRightsUnavailable, wire.Overloaded, "the rights on streams are unavailable", 5 * time.Second},
	{auth.ErrVerifierUnavailable, wire.Overloaded, "the credential cannot be verified now", 5 * time.Second},
	{auth.ErrStoreUnavailable, wire.Overloaded, "the store of tickets is unavailable", 2 * time.Second},
	{auth.ErrTooManyTickets, wire.RateLimited, "this principal has asked for too many tickets", 10 * time.Second},
	{auth.ErrTooManyRevocations, wire.Overloaded, "there are as many revocations as can be kept: raise auth/revocations/max", time.Minute},
	{auth.ErrUnauthenticated, wire.Unauthenticated, "the credential is missing or not valid", 0},
	{record.ErrBadCursor, wire.BadCursor, "the cursor is damaged or was not made by this server", 0},
	{hub.ErrUnknownStream, wire.UnknownStream, "the stream does not exist", 0},
	{cursors.ErrNoCursor, wire.CursorLost, "no cursor is stored under this name: set a start position with from", 0},
	{cursors.ErrMoved, wire.CursorMoved, "an operator has moved the named cursor: subscribe again without a position, to begin at the new one", 0},
	{cursors.ErrSuperseded, wire.Superseded, "the named cursor was taken over by another connection", 0},
	{cursors.ErrTooManyNames, wire.CursorLimit, "as many named cursors are stored for this principal as may be: delete one that is not needed, or use its name", 0},
	{cursors.ErrStoreUnavailable, wire.Overloaded, "named cursors are unavailable", 2 * time.Second},
	{upstream.ErrUnknownTopic, wire.TopicMissing, "the stream's topic does not exist in Kafka: an operator has to create the topic", 0},
	{upstream.ErrSourceUnavailable, wire.Overloaded, "the stream is unavailable", 2 * time.Second},
	{hub.ErrClosed, wire.Draining, "this instance is shutting down: reconnect to another one", time.Second},
	{ingest.ErrNoMessageIDs, wire.BadRequest, "the stream takes no message ids: leave message_id and the header Idempotency-Key out, or have an operator configure Redis and ingest/message_ids/window", 0},
	{ingest.ErrMessageIDRequired, wire.BadRequest, "the stream requires a message id: send message_id, or over HTTP the header Idempotency-Key", 0},
	{ingest.ErrMessageIDConflict, wire.IdempotencyConflict, "the message id was used for another record; this one is not stored: use a new message id for each record", 0},
	{ingest.ErrMessageIDsUnavailable, wire.PublishUnavailable, "message ids are unavailable; the record is not stored", time.Second},
	{upstream.ErrPublishUnknown, wire.PublishUnknown, "unknown whether the record is stored: publishing it again may store it twice, as it has no message id", 0},
	{errTenantPublishes, wire.RateLimited, "the clients of the tenant have too many publishes in flight; the record is not stored", time.Second},
	{hub.ErrTooManyStreams, wire.Overloaded, "too many streams are in use on this instance", 5 * time.Second},
	{expr.ErrClientMemory, wire.SubscriptionLimit, "the filters of this client take as much memory as a client may use: end subscriptions, or use filters that are shorter or the same", time.Second},
	{expr.ErrMemory, wire.Overloaded, "the filters of all clients take as much memory as they may", 5 * time.Second},
	{upstream.ErrPublishOverloaded, wire.RateLimited, "too many publishes are in flight; the record is not stored", time.Second},
	{errNoSchemaYet, wire.Overloaded, "the schema of the stream is not known yet", 2 * time.Second},
	{ingest.ErrSchemaUnavailable, wire.PublishUnavailable, "the schema of the stream is not known yet; nothing is stored", 2 * time.Second},
	{upstream.ErrPublishUnavailable, wire.PublishUnavailable, "the topic is unavailable for writes; the record is not stored", time.Second},
	{upstream.ErrRecordTooLarge, wire.RecordTooLarge, "the record is larger than its topic allows", 0},
	{ingest.ErrInvalid, wire.Invalid, "the record violates a rule of the stream", 0},
	{ingest.ErrNotAllowed, wire.Forbidden, "the principal is not allowed to publish this record", 0},
	{ingest.ErrReservedHeader, wire.ReservedHeader, "a header has a name that is reserved for the server", 0},
	{upstream.ErrPublishRejected, wire.Invalid, "Kafka rejected the record", 0},
	{context.DeadlineExceeded, wire.Overloaded, "the request took too long", time.Second},
	{context.Canceled, wire.Draining, "this instance is shutting down: reconnect to another one", time.Second},
}

// faultOf converts any error to a fault that can be sent to a client. An error that
// is not in the table becomes an internal fault, and its text is not sent to the
// client.
func faultOf(err error) *wire.Error {
	var fault *wire.Error
	if errors.As(err, &fault) {
		return fault
	}
	if errors.Is(err, auth.ErrUnsupportedCredential) {
		// The message names what is wrong. Error texts of auth contain nothing that
		// the client has sent.
		return &wire.Error{Code: wire.BadRequest, Message: err.Error(), Cause: err}
	}
	var offset *hub.OffsetError
	if errors.As(err, &offset) {
		return &wire.Error{Code: wire.BadRequest, Message: offset.Error(), Cause: err}
	}
	if kept, ok := errors.AsType[*ingest.DeadLetteredError](err); ok {
		fault := *faultOf(kept.Cause)
		fault.Code = wire.DeadLettered
		return &fault
	}
	if invalid, ok := errors.AsType[*ingest.InvalidError](err); ok && len(invalid.Violations) > 0 {
		return faultOfInvalid(invalid)
	}
	if used, ok := errors.AsType[*ingest.QuotaError](err); ok {
		return faultOfQuota(used)
	}
	if busy, ok := errors.AsType[*overloadError](err); ok {
		return &wire.Error{Code: wire.Overloaded, RetryAfter: busy.retryAfter, Cause: busy, Message: "the instance is busy delivering; nothing of the request is stored"}
	}
	if late, ok := errors.AsType[*upstream.LateError](err); ok {
		return &wire.Error{Code: wire.Overloaded, RetryAfter: late.RetryAfter, Cause: late, Message: "too much is queued for the partition; the record is not stored"}
	}
	if unsettled, ok := errors.AsType[*ingest.UnsettledError](err); ok {
		return &wire.Error{
			Code: wire.PublishUnknown, Again: true, RetryAfter: wholeMillis(unsettled.RetryAfter), Cause: err,
			Message: "unknown whether the record is stored: publish it again with the same message id",
		}
	}
	for _, row := range faultTable {
		if errors.Is(err, row.err) {
			return &wire.Error{Code: row.code, Message: row.message, RetryAfter: row.retry, Cause: err}
		}
	}
	return &wire.Error{Code: wire.Internal, Message: "internal server error", RetryAfter: time.Second, Cause: err}
}

// faultOfInvalid returns the fault for a record that breaks rules of its stream. Its
// message is the first violation.
func faultOfInvalid(invalid *ingest.InvalidError) *wire.Error {
	fault := &wire.Error{Code: wire.Invalid, Errors: make([]wire.Violation, len(invalid.Violations)), Cause: invalid}
	for i, v := range invalid.Violations {
		fault.Errors[i] = wire.Violation{Pointer: v.Pointer, Message: v.Message}
	}
	first := invalid.Violations[0]
	fault.Message = strings.TrimSpace(first.Pointer + " " + first.Message)
	if more := len(invalid.Violations) - 1; more > 0 {
		atLeast := ""
		if invalid.More {
			atLeast = "at least "
		}
		fault.Message += fmt.Sprintf(" (and %s%d more)", atLeast, more)
	}
	return fault
}

// faultOfQuota returns the fault of records that a quota does not admit.
func faultOfQuota(e *ingest.QuotaError) *wire.Error {
	switch {
	case e.Never && e.Part:
		return &wire.Error{Code: wire.TooLarge, Cause: e, Message: fmt.Sprintf(
			"the batch has more %s than the quota of the %s accepts at once, %d; no record of it is stored: send smaller batches", e.Unit, e.Scope, e.Most)}
	case e.Never:
		return &wire.Error{Code: wire.RecordTooLarge, Cause: e, Message: fmt.Sprintf(
			"the record has more %s than the quota of the %s accepts at once, %d", e.Unit, e.Scope, e.Most)}
	}
	return &wire.Error{Code: wire.RateLimited, RetryAfter: wholeMillis(e.RetryAfter), Cause: e, Message: fmt.Sprintf(
		"the quota of %s of the %s is used up; nothing of the request is stored", e.Unit, e.Scope)}
}

// wholeMillis returns a wait in whole milliseconds, as clients are told, and not too short.
func wholeMillis(d time.Duration) time.Duration {
	return (d + time.Millisecond - 1).Truncate(time.Millisecond)
}

// withdrawn is the fault of a principal whose credential is not accepted any more.
func withdrawn(err error) *wire.Error {
	if !errors.Is(err, auth.ErrUnauthenticated) {
		return faultOf(err)
	}
	return &wire.Error{Code: wire.Revoked, Message: "the credential is no longer accepted: reconnect with a new one", Cause: err}
}

// faultOfRights is the fault of a principal that may not keep a subscription, for a
// reason.
func faultOfRights(reason wire.Reason) *wire.Error {
	if reason == wire.ReasonRightsChanged {
		return wire.Errorf(wire.RightsChanged, "the rights to the stream have changed: resume from the cursor")
	}
	return wire.Errorf(wire.Forbidden, "the principal may no longer subscribe to the stream")
}

// endedFault returns the fault of a subscription that the hub has ended: one that
// was not to continue after a gap, or whose filter's predicate failed. The cause of
// such a failure can reveal records that the client may not see, and is for the
// operator only.
func endedFault(reason record.GapReason, failure error) *wire.Error {
	code := wire.Retention
	switch reason {
	case hub.FilterFailed:
		fault := wire.Errorf(wire.FilterFailed, "the filter failed on the record after the cursor: change the filter, or start at an offset after the record")
		if errors.Is(failure, hub.ErrFilterLag) {
			fault = wire.Errorf(wire.FilterFailed, "the filter takes too long on each record to keep up with the stream: make it cheaper, such as by an equality on the key or a field that an index serves, and resume from the cursor")
		}
		fault.Cause = failure
		return fault
	case hub.StreamChanged:
		return wire.Errorf(wire.StreamChanged, "the configuration of the stream has changed: resume from the cursor")
	case record.GapLogChanged:
		code = wire.LogChanged
	case record.GapTruncated:
		code = wire.Truncated
	case record.GapRetention, record.GapUnreadable, record.GapTooLarge, record.GapPolicy:
	}
	return wire.Errorf(code, "records cannot be delivered (%s), and on_gap is fail", reason)
}
