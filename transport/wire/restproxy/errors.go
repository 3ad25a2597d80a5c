package restproxy

import (
	"strconv"

	"sluice/hub/jsonscan"
	"sluice/transport/wire"
)

// The numbers of errors, as a REST proxy has them. The first three digits are an HTTP status.
const (
	numberUnauthenticated = 40101
	numberForbidden       = 40301
	numberNoTopic2        = 40401 // of version 2
	numberNoTopic3        = 40403 // of version 3: no such topic or partition
	numberKafka           = 50002 // an error of Kafka
	numberRetriable       = 50003 // an error of Kafka that can pass
)

// Number2 returns the number by which version 2 of a REST proxy says the fault of a request.
// Faults that it has no number for are their HTTP status, as in a REST proxy.
func Number2(fault *wire.Error) int {
	if number := Number3(fault); number != numberNoTopic3 {
		return number
	}
	return numberNoTopic2
}

// Number3 is Number2 of version 3, for requests and for records.
func Number3(fault *wire.Error) int {
	switch fault.Code { //nolint:exhaustive // the others are their status
	case wire.Unauthenticated, wire.TokenExpired, wire.Revoked:
		return numberUnauthenticated
	case wire.Forbidden:
		return numberForbidden
	case wire.UnknownStream, wire.TopicMissing:
		return numberNoTopic3
	case wire.PublishUnknown:
		// A REST proxy says 50003, upon which clients send again: here that is said only if
		// the record is not stored, or cannot be stored twice.
		if fault.Retryable() {
			return numberRetriable
		}
		return numberKafka
	case wire.PublishUnavailable, wire.Overloaded, wire.Draining:
		return numberRetriable
	}
	return fault.Status()
}

// recordNumber returns the number of the fault of a record in an answer of version 2, in which
// a REST proxy tells the errors of its producer only.
func recordNumber(fault *wire.Error) int {
	switch {
	case fault.Code == wire.Forbidden:
		return numberForbidden
	case fault.Retryable():
		return numberRetriable
	}
	return numberKafka
}

// AppendFault2 appends a fault as the body of an answer of version 2. It also has the code of
// the fault, as elsewhere on this server.
func AppendFault2(dst []byte, fault *wire.Error) []byte {
	return appendFault(dst, Number2(fault), fault)
}

// AppendFault3 appends a fault as the body of an answer of version 3, or a delivery report. It
// also has the code of the fault.
func AppendFault3(dst []byte, fault *wire.Error) []byte {
	return appendFault(dst, Number3(fault), fault)
}

func appendFault(dst []byte, number int, fault *wire.Error) []byte {
	dst = append(dst, `{"error_code":`...)
	dst = strconv.AppendInt(dst, int64(number), 10)
	dst = append(dst, `,"message":`...)
	dst = jsonscan.AppendString(dst, fault.Message)
	dst = append(dst, `,"code":"`...)
	dst = append(dst, fault.Code...)
	return append(dst, `"}`...)
}
