package producer

import (
	"context"
	"math"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kmsg"

	"sluice/hub/kafkalog"
)

// identity is an idempotent producer's identity to the brokers (KIP-98). The zero
// value is no identity.
type identity struct {
	id    int64
	epoch int16
	valid bool
}

// newIdentity asks for a new producer id.
func newIdentity(ctx context.Context, c *kafkalog.Cluster) (identity, error) {
	resp, err := c.RequestAny(ctx, func() kmsg.Request {
		req := kmsg.NewPtrInitProducerIDRequest()
		req.SetVersion(4)
		req.TransactionTimeoutMillis = math.MaxInt32 // has no effect without a transactional id
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

// next returns the identity with which sequences begin again at 0. A producer
// without transactions raises its epoch by itself (KIP-360), and once a batch of
// the new epoch is in the log, the broker refuses batches of the old epoch that
// are still in flight. When the epochs are used up, next returns no identity.
func (i identity) next() identity {
	if !i.valid || i.epoch == math.MaxInt16 {
		return identity{}
	}
	i.epoch++
	return i
}

// sequenceBehind returns the sequence number n records after from. The largest
// int32 is followed by 0.
func sequenceBehind(from int32, n int) int32 {
	return int32((int64(from) + int64(n)) & math.MaxInt32)
}
