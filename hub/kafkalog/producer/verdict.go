package producer

import "github.com/segmentio/kafka-go"

// verdict is what the result of one attempt means for a batch.
type verdict uint8

const (
	// verdictStored: the batch is on all in-sync replicas.
	verdictStored verdict = iota
	// verdictUnknown: the batch may have been appended. Only the same bytes with
	// the same sequence may follow it.
	verdictUnknown
	// verdictRetry: this attempt did not append the batch; the cause is
	// temporary.
	verdictRetry
	// verdictDuplicate: the broker already has this sequence. If an earlier
	// attempt may have appended the batch, that was this batch; else the sequence
	// is wrong.
	verdictDuplicate
	// verdictResequence: this attempt did not append the batch; the broker
	// expects another sequence.
	verdictResequence
	// verdictFenced: this attempt did not append the batch, and the producer id
	// is no longer accepted.
	verdictFenced
	// verdictTooLarge: this attempt did not append the batch; it is too large.
	verdictTooLarge
	// verdictInvalid: this attempt did not append the batch, because some of its
	// records are invalid.
	verdictInvalid
	// verdictRefused: this attempt did not append the batch, and none will.
	verdictRefused
)

// judge returns the verdict for a broker's error code. An error that is not known
// to come before the append gets verdictUnknown: in particular a broker that
// stops being the leader answers NOT_LEADER and UNKNOWN_TOPIC_OR_PARTITION also
// to requests that it has appended and whose replication it was waiting for.
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

// refusedForGood reports whether the error of a request that stores nothing, for
// metadata or a producer id, is permanent.
func refusedForGood(err error) bool {
	code, ok := err.(kafka.Error) //nolint:errorlint // produced unwrapped by our own requests
	return ok && judge(code) == verdictRefused
}
