package kafkalog

import (
	"errors"
	"fmt"

	"github.com/segmentio/kafka-go"

	"sluice/hub/upstream"
)

// Kafka's error codes that reading treats in a way of their own.
const (
	codeOffsetOutOfRange   = int16(kafka.OffsetOutOfRange)
	codeUnknownTopic       = int16(kafka.UnknownTopicOrPartition)
	codeInvalidTopic       = int16(kafka.InvalidTopic)
	codeUnknownTopicID     = int16(100)
	codeUnsupportedVersion = int16(kafka.UnsupportedVersion)
)

// kafkaError is nil for code 0 and else says what Kafka's documentation says.
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

// Errors that kafka-go has no words for.
var (
	errUnknownTopicID      = errors.New("[100] Unknown Topic ID: this server does not host this topic id")
	errInconsistentTopicID = errors.New("[103] Inconsistent Topic ID: the log's topic id did not match the one in the request")
)

// unavailable marks a failure to ask Kafka, with its cause.
func unavailable(err error) error {
	return fmt.Errorf("%w: %w", upstream.ErrSourceUnavailable, err)
}
