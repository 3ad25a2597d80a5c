package restproxy

import (
	"net/http"
	"strconv"

	"sluice/hub/jsonscan"
	"sluice/transport/wire"
)

// payloadFault is the number of a record that is at fault, and not the request.
const payloadFault = 42206

// Number returns the number by which a REST proxy says a fault. Faults that it does not
// have a number for are their HTTP status.
func Number(fault *wire.Error) int {
	switch fault.Code { //nolint:exhaustive // the others are their status
	case wire.Unauthenticated, wire.TokenExpired, wire.Revoked:
		return 40101
	case wire.Forbidden:
		return 40301
	case wire.UnknownStream, wire.TopicMissing:
		return 40403 // no such topic or partition
	case wire.ReservedHeader, wire.Invalid:
		return payloadFault
	case wire.BadRequest:
		if len(fault.Errors) > 0 {
			return payloadFault
		}
	case wire.PublishUnknown:
		if fault.Retryable() {
			return 50003
		}
		return 50002 // an error of Kafka
	case wire.PublishUnavailable, wire.Overloaded, wire.Draining, wire.Internal:
		return 50003 // one that can pass
	}
	return fault.Status()
}

// Status returns the HTTP status of a request with a fault.
func Status(fault *wire.Error) int {
	if Number(fault) == payloadFault {
		return http.StatusUnprocessableEntity
	}
	return fault.Status()
}

// AppendFault appends a fault: the body of an answer, or a delivery report. It also has the
// code of the fault, as elsewhere on this server.
func AppendFault(dst []byte, fault *wire.Error) []byte {
	dst = append(dst, `{"error_code":`...)
	dst = strconv.AppendInt(dst, int64(Number(fault)), 10)
	dst = append(dst, `,"message":`...)
	dst = jsonscan.AppendString(dst, fault.Message)
	dst = append(dst, `,"code":"`...)
	dst = append(dst, fault.Code...)
	return append(dst, `"}`...)
}
