package producer

import "github.com/segmentio/kafka-go"

// verdict is what one attempt to store a batch says about it.
type verdict uint8

const (
	// verdictStored: it is on all in-sync replicas.
	verdictStored verdict = iota
	// verdictUnknown: it may have been appended. Only the same bytes with the
	// same sequence may follow it.
	verdictUnknown
	// verdictRetry: this attempt did not append it; the reason can pass.
	verdictRetry
	// verdictDuplicate: the broker has had this sequence. That is ours where an
	// earlier attempt may have been appended, else the sequence is wrong.
	verdictDuplicate
	// verdictResequence: this attempt did not append it; the broker's idea of
	// the sequence is another one.
	verdictResequence
	// verdictFenced: likewise, and the producer id is no longer good.
	verdictFenced
	// verdictTooLarge: this attempt did not append it; it is too large.
	verdictTooLarge
	// verdictInvalid: this attempt did not append it, for some of its records.
	verdictInvalid
	// verdictRefused: this attempt did not append it, and none will.
	verdictRefused
)

// judgeProduce reads a broker's error code. What is not known to come before
// the append is taken for unknown: in particular a broker that stops being the
// leader answers NOT_LEADER and UNKNOWN_TOPIC_OR_PARTITION also to requests
// that it has appended and whose replication it was waiting for.
func judge(code kafka.Error) verdict {
	switch code {
	case 0:
		return verdictStored
	case kafka.NotEnoughReplicas, kafka.ThrottlingQuotaExceeded, kafka.InvalidMessage:
		return verdictRetry
	case kafka.DuplicateSequenceNumber:
		return verdictDuplicate
	case kafka.OutOfOrderSequenceNumber:
		return verdictResequence
	case kafka.UnknownProducerId, kafka.InvalidProducerEpoch, kafka.InvalidProducerIDMapping, kafka.ProducerFenced:
		return verdictFenced
	case kafka.MessageSizeTooLarge, kafka.RecordListTooLarge:
		return verdictTooLarge
	case kafka.InvalidRecord, kafka.InvalidTimestamp:
		return verdictInvalid
	case kafka.TopicAuthorizationFailed, kafka.ClusterAuthorizationFailed, kafka.InvalidTopic,
		kafka.InvalidRequiredAcks, kafka.UnsupportedForMessageFormat, kafka.UnsupportedCompressionType,
		kafka.UnsupportedVersion, kafka.InvalidRequest, kafka.PolicyViolation:
		return verdictRefused
	default:
		return verdictUnknown
	}
}

// refusedForGood reports whether an error of a request that stores nothing,
// for metadata or a producer id, will not pass by itself.
func refusedForGood(err error) bool {
	code, ok := err.(kafka.Error) //nolint:errorlint // produced unwrapped by our own requests
	return ok && judge(code) == verdictRefused
}
