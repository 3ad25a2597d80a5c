package producer

import (
	"context"
	"math"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kmsg"

	"sluice/hub/kafkalog"
)

// identity is what an idempotent producer is to the brokers (KIP-98).
// The zero value is no identity.
type identity struct {
	id    int64
	epoch int16
	valid bool
}

// newIdentity asks for a producer id that nobody has had.
func newIdentity(ctx context.Context, c *kafkalog.Cluster) (identity, error) {
	resp, err := c.RequestAny(ctx, func() kmsg.Request {
		req := kmsg.NewPtrInitProducerIDRequest()
		req.SetVersion(4)
		req.TransactionTimeoutMillis = math.MaxInt32 // without a transactional id it means nothing
		req.ProducerID, req.ProducerEpoch = -1, -1
		return req
	})
	if err != nil {
		return identity{}, err
	}
	answer := resp.(*kmsg.InitProducerIDResponse)
	if answer.ErrorCode != 0 {
		return identity{}, kafka.Error(answer.ErrorCode)
	}
	return identity{id: answer.ProducerID, epoch: answer.ProducerEpoch, valid: true}, nil
}

// next is the identity with which sequences begin again at 0. A producer
// without transactions raises its epoch by itself (KIP-360), and once a batch
// of the new epoch is in the log the broker refuses what is still on its way
// with the old one. When the epochs are used up there is none.
func (i identity) next() identity {
	if !i.valid || i.epoch == math.MaxInt16 {
		return identity{}
	}
	i.epoch++
	return i
}

// sequenceBehind is the sequence number n records behind from. Behind the
// largest int32 comes 0.
func sequenceBehind(from int32, n int) int32 {
	return int32((int64(from) + int64(n)) & math.MaxInt32)
}
