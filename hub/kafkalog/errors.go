package kafkalog

import (
	"errors"
	"fmt"

	"github.com/segmentio/kafka-go"

	"sluice/hub/upstream"
)

// Kafka error codes that need special treatment in reading.
const (
	codeOffsetOutOfRange   = int16(kafka.OffsetOutOfRange)
	codeUnknownTopic       = int16(kafka.UnknownTopicOrPartition)
	codeInvalidTopic       = int16(kafka.InvalidTopic)
	codeUnknownTopicID     = int16(100)
	codeUnsupportedVersion = int16(kafka.UnsupportedVersion)
)

// kafkaError returns nil for code 0, and else an error with the text of Kafka's
// documentation.
func kafkaError(code int16) error {
	switch code {
	case 0:
		return nil
	case codeUnknownTopicID:
		return errUnknownTopicID
	case 103:
		return errInconsistentTopicID
	}
	return kafka.Error(code)
}

// Errors that kafka-go does not define.
var (
	errUnknownTopicID      = errors.New("[100] Unknown Topic ID: this server does not host this topic id")
	errInconsistentTopicID = errors.New("[103] Inconsistent Topic ID: the log's topic id did not match the one in the request")
)

// unavailable wraps a failure to ask Kafka in ErrSourceUnavailable, with its
// cause.
func unavailable(err error) error {
	return fmt.Errorf("%w: %w", upstream.ErrSourceUnavailable, err)
}

// refusal reports whether a broker has answered that it rejects the client. That
// is a better cause to report than that another broker cannot be reached.
func refusal(err error) bool {
	return errors.Is(err, kafka.SASLAuthenticationFailed) ||
		errors.Is(err, kafka.UnsupportedSASLMechanism) ||
		errors.Is(err, kafka.IllegalSASLState) ||
		errors.Is(err, kafka.ClusterAuthorizationFailed) ||
		errors.Is(err, errTooOld)
}

// errTooOld means that the broker does not support what reading needs.
var errTooOld = errors.New("the broker is too old")
