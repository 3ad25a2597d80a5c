package kafkalog

import (
	"context"
	"math"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// produceIdentity is what an idempotent producer is to the brokers (KIP-98).
// The zero value is no identity.
type produceIdentity struct {
	id    int64
	epoch int16
	valid bool
}

// newProduceIdentity asks for a producer id that nobody has had.
func newProduceIdentity(ctx context.Context, c *Cluster) (produceIdentity, error) {
	resp, err := c.RequestAny(ctx, func() kmsg.Request {
		req := kmsg.NewPtrInitProducerIDRequest()
		req.SetVersion(4)
		req.TransactionTimeoutMillis = math.MaxInt32 // without a transactional id it means nothing
		req.ProducerID, req.ProducerEpoch = -1, -1
		return req
	})
	if err != nil {
		return produceIdentity{}, err
	}
	answer := resp.(*kmsg.InitProducerIDResponse)
	if answer.ErrorCode != 0 {
		return produceIdentity{}, kafka.Error(answer.ErrorCode)
	}
	return produceIdentity{id: answer.ProducerID, epoch: answer.ProducerEpoch, valid: true}, nil
}

// next is the identity with which sequences begin again at 0. A producer
// without transactions raises its epoch by itself (KIP-360), and once a batch
// of the new epoch is in the log the broker refuses what is still on its way
// with the old one. When the epochs are used up there is none.
func (i produceIdentity) next() produceIdentity {
	if !i.valid || i.epoch == math.MaxInt16 {
		return produceIdentity{}
	}
	i.epoch++
	return i
}

// produceSequence is the sequence number n records behind from. Behind the
// largest int32 comes 0.
func produceSequence(from int32, n int) int32 {
	return int32((int64(from) + int64(n)) & math.MaxInt32)
}
