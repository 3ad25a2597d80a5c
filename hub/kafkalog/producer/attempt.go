package producer

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/produce"
	"github.com/segmentio/kafka-go/protocol/rawproduce"

	"sluice/hub/kafkalog"
	"sluice/hub/upstream"
)

// outcome is the result of an attempt.
type outcome struct {
	verdict    verdict
	err        error
	offset     int64            // of the first record, -1 if the broker does not report it
	appendTime int64            // Unix milliseconds, -1 if the topic does not use it
	invalid    map[int32]string // records that the broker found invalid, with the reasons
	takenBack  bool             // it was not sent because the batch was taken back
}

// attempt sends a batch once. It records that a batch is stored, or may be, in
// the critical section in which the attempt ends: otherwise a message that times
// out in between would be answered as not stored.
func (l *lane) attempt(work context.Context, batch *batch) outcome {
	ctx, cancel := context.WithTimeout(work, l.producer.config.RequestTimeout)
	defer cancel()
	exchange, started := l.begin(batch, cancel)
	if !started {
		return exchange.outcome
	}
	answer, err := l.exchange(ctx, exchange)

	l.topic.mu.Lock()
	defer l.topic.unlock()
	batch.attempt, batch.cancel = nil, nil
	var out outcome
	if err != nil {
		out = outcome{verdict: verdictUnknown, err: err}
		if exchange.request.Abandoned() {
			out = outcome{verdict: verdictRetry, err: err, takenBack: true}
		} else if exchange.request.Abandon() {
			out.verdict = verdictRetry
		}
	} else {
		out = readAnswer(answer)
	}
	if out.verdict == verdictDuplicate && batch.unknown {
		out.verdict, out.offset = verdictStored, -1
	}
	switch out.verdict {
	case verdictStored:
		l.stored(batch, out)
	case verdictUnknown:
		batch.unknown = true
	}
	if out.err != nil && !out.takenBack {
		l.cause = out.err
	}
	return out
}

// start is the result of begin: a request to a leader, or the outcome without one.
type start struct {
	request *kafkalog.Request
	leader  int32
	outcome outcome
}

// begin registers an attempt, so that the batch can be taken back.
func (l *lane) begin(batch *batch, cancel context.CancelFunc) (start, bool) {
	l.topic.mu.Lock()
	defer l.topic.unlock()
	late, notAfter := batch.late(time.Now())
	for _, m := range late {
		l.topic.fail(m, timedOut(batch), context.DeadlineExceeded)
	}
	switch {
	case !batch.unknown && (batch.live < len(batch.messages) || l.away != nil && l.trial == nil):
		// The batch must not be sent as it is.
		return start{outcome: outcome{verdict: verdictRetry, takenBack: true}}, false
	case batch.live == 0:
		return start{outcome: outcome{verdict: verdictRefused, err: context.DeadlineExceeded}}, false
	case l.leader < 0:
		l.cause = fmt.Errorf("partition %d: %w", l.partition, kafka.LeaderNotAvailable)
		return start{outcome: outcome{verdict: verdictRetry, err: l.cause}}, false
	}
	request := l.producer.cluster.NewRequest(l.leader, &rawproduce.Request{
		Acks: int16(kafka.RequireAll),
		// A little less, so that the broker's own answer arrives in time.
		Timeout: int32(l.producer.config.RequestTimeout * 9 / 10 / time.Millisecond),
		Topics: []rawproduce.RequestTopic{{
			Topic: l.topic.name,
			Partitions: []rawproduce.RequestPartition{{
				Partition: l.partition,
				RecordSet: protocol.RawRecordSet{Reader: bytes.NewReader(batch.encoded)},
			}},
		}},
	})
	request.NotAfter = notAfter
	batch.attempt, batch.cancel = request, cancel
	return start{request: request, leader: l.leader}, true
}

// timedOut returns the error of a message of a batch that is not being sent, when its time is
// up.
func timedOut(b *batch) error {
	if b.unknown {
		return upstream.ErrPublishUnknown
	}
	return upstream.ErrPublishUnavailable
}

// exchange sends a request when a slot is free.
func (l *lane) exchange(ctx context.Context, begun start) (*produce.Response, error) {
	if err := l.producer.slots.take(ctx, begun.leader); err != nil {
		return nil, err
	}
	defer l.producer.slots.give(begun.leader)
	return kafkalog.Do[*produce.Response](ctx, begun.request)
}

func readAnswer(answer *produce.Response) outcome {
	if len(answer.Topics) != 1 || len(answer.Topics[0].Partitions) != 1 {
		return outcome{verdict: verdictUnknown, err: fmt.Errorf("kafka answered for %d topics instead of one", len(answer.Topics))}
	}
	partition := &answer.Topics[0].Partitions[0]
	code := kafka.Error(partition.ErrorCode)
	out := outcome{
		verdict:    judge(code),
		offset:     partition.BaseOffset,
		appendTime: partition.LogAppendTime,
	}
	if code != 0 {
		out.err = code
		if partition.ErrorMessage != "" {
			out.err = fmt.Errorf("%w (%s)", code, partition.ErrorMessage)
		}
	}
	for _, r := range partition.RecordErrors {
		if out.invalid == nil {
			out.invalid = make(map[int32]string)
		}
		out.invalid[r.BatchIndex] = r.BatchIndexErrorMessage
	}
	return out
}
