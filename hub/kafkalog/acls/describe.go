package acls

import (
	"context"
	"errors"
	"fmt"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// MaxEntries bounds the ACLs of topics of one cluster. Of a cluster that has more none
// are used.
const MaxEntries = 100_000

// describeVersion is the newest version of DescribeAcls that is used. Version 0, of
// brokers before Kafka 2.0, knows no prefixes; the cluster has none then.
const describeVersion = 3

// ErrTooMany means that a cluster has more than MaxEntries ACLs of topics.
var ErrTooMany = errors.New("the cluster has too many ACLs")

// Asker sends a request to the brokers of a cluster, until one answers.
// kafkalog.Cluster is one.
type Asker interface {
	RequestAny(ctx context.Context, newRequest func() kmsg.Request) (kmsg.Response, error)
}

// describe asks for all ACLs of topics.
func describe(ctx context.Context, from Asker) ([]entry, error) {
	answer, err := from.RequestAny(ctx, newRequest)
	if err != nil {
		return nil, err
	}
	described, ok := answer.(*kmsg.DescribeACLsResponse)
	if !ok {
		return nil, fmt.Errorf("unexpected response of type %T", answer)
	}
	if err := explain(kafka.Error(described.ErrorCode)); err != nil {
		return nil, err
	}
	var entries []entry
	for i := range described.Resources {
		resource := &described.Resources[i]
		if resource.ResourceType != kmsg.ACLResourceTypeTopic {
			continue
		}
		if len(entries)+len(resource.ACLs) > MaxEntries {
			return nil, fmt.Errorf("%w: more than %d", ErrTooMany, MaxEntries)
		}
		var prefixed bool
		switch resource.ResourcePatternType {
		case kmsg.ACLResourcePatternTypeLiteral:
		case kmsg.ACLResourcePatternTypePrefixed:
			prefixed = true
		default:
			return nil, fmt.Errorf("an ACL has the unknown pattern type %d", resource.ResourcePatternType)
		}
		for _, acl := range resource.ACLs {
			entries = append(entries, entry{
				name: resource.ResourceName, prefixed: prefixed,
				principal: acl.Principal, host: acl.Host, operation: acl.Operation, permission: acl.PermissionType,
			})
		}
	}
	return entries, nil
}

func newRequest() kmsg.Request {
	req := kmsg.NewPtrDescribeACLsRequest()
	req.SetVersion(describeVersion)
	req.ResourceType = kmsg.ACLResourceTypeTopic
	req.ResourcePatternType = kmsg.ACLResourcePatternTypeAny
	req.Operation = kmsg.ACLOperationAny
	req.PermissionType = kmsg.ACLPermissionTypeAny
	return req
}

// explain adds to a refusal what an operator can do.
func explain(code kafka.Error) error {
	switch code {
	case 0:
		return nil
	case kafka.ClusterAuthorizationFailed:
		return fmt.Errorf("%w: allow this server's user the operation DESCRIBE on the cluster", code)
	case kafka.SecurityDisabled:
		return fmt.Errorf("%w: set authorizer.class.name on the brokers", code)
	default:
		return code
	}
}
