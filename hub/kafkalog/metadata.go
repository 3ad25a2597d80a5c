package kafkalog

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"sluice/hub/record"
	"sluice/hub/upstream"
)

// requestTimeout bounds every request except fetches.
const requestTimeout = 5 * time.Second

// layout is what metadata reports of a topic.
type layout struct {
	name       string
	id         record.TopicID
	err        error // why the topic cannot be described
	missing    bool  // the topic does not exist
	partitions []leadership
}

// leadership is the leader of a partition.
type leadership struct {
	partition int32
	leader    int32 // -1 for none
	epoch     int32 // -1 if unknown
	err       error
}

func (l *layout) topic() record.Topic {
	return record.Topic{Name: l.name, ID: l.id, Partitions: int32(len(l.partitions))}
}

// find returns the leadership of a partition.
func (l *layout) find(partition int32) (leadership, bool) {
	for _, p := range l.partitions {
		if p.partition == partition {
			return p, true
		}
	}
	return leadership{}, false
}

// metadata asks any broker for topics by name. It uses version 12, which returns
// their ids (KIP-516). It never creates a topic.
func (c *Cluster) metadata(ctx context.Context, names []string) ([]layout, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	resp, err := c.RequestAny(ctx, func() kmsg.Request { return metadataRequest(names) })
	if err != nil {
		return nil, fmt.Errorf("request metadata: %w", err)
	}
	answer := resp.(*kmsg.MetadataResponse)
	c.known.learn(answer.Brokers)
	return layoutsIn(answer), nil
}

func metadataRequest(names []string) *kmsg.MetadataRequest {
	req := kmsg.NewPtrMetadataRequest()
	req.SetVersion(12)
	req.AllowAutoTopicCreation = false
	req.Topics = make([]kmsg.MetadataRequestTopic, len(names))
	for i, name := range names {
		req.Topics[i] = kmsg.NewMetadataRequestTopic()
		req.Topics[i].Topic = kmsg.StringPtr(name)
	}
	return req
}

func layoutsIn(answer *kmsg.MetadataResponse) []layout {
	found := make([]layout, 0, len(answer.Topics))
	for _, t := range answer.Topics {
		if t.Topic == nil {
			continue
		}
		l := layout{
			name: *t.Topic, id: t.TopicID, err: kafkaError(t.ErrorCode),
			missing: t.ErrorCode == codeUnknownTopic || t.ErrorCode == codeInvalidTopic,
		}
		for _, p := range t.Partitions {
			l.partitions = append(l.partitions, leadership{
				partition: p.Partition, leader: p.Leader, epoch: p.LeaderEpoch, err: kafkaError(p.ErrorCode),
			})
		}
		found = append(found, l)
	}
	return found
}

// layout asks any broker for one topic.
func (c *Cluster) layout(ctx context.Context, name string) (layout, error) {
	found, err := c.metadata(ctx, []string{name})
	return layoutAmong(found, name, err)
}

func layoutAmong(found []layout, name string, err error) (layout, error) {
	if err != nil {
		return layout{}, unavailable(err)
	}
	for _, l := range found {
		switch {
		case l.name != name:
		case l.missing:
			return layout{}, fmt.Errorf("%w: %q", upstream.ErrUnknownTopic, name)
		case l.err != nil:
			return layout{}, unavailable(fmt.Errorf("request metadata of %q: %w", name, l.err))
		default:
			return l, nil
		}
	}
	return layout{}, unavailable(fmt.Errorf("request metadata of %q: the topic is missing in the response", name))
}
