package acls_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/goleak"

	"sluice/hub/kafkalog/acls"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var errAway = errors.New("no broker answers")

// acl is one ACL of a topic.
type acl struct {
	pattern    kmsg.ACLResourcePatternType
	name       string
	principal  string
	host       string
	operation  kmsg.ACLOperation
	permission kmsg.ACLPermissionType
}

const (
	literal  = kmsg.ACLResourcePatternTypeLiteral
	prefixed = kmsg.ACLResourcePatternTypePrefixed
	allow    = kmsg.ACLPermissionTypeAllow
	deny     = kmsg.ACLPermissionTypeDeny

	read     = kmsg.ACLOperationRead
	write    = kmsg.ACLOperationWrite
	describe = kmsg.ACLOperationDescribe
	all      = kmsg.ACLOperationAll
)

// cluster is an Asker with the given ACLs.
type cluster struct {
	mu    sync.Mutex
	acls  []acl
	err   error
	code  int16
	hang  bool // until the context ends
	asked int
}

func (c *cluster) set(acls ...acl) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.acls, c.err, c.code, c.hang = acls, nil, 0, false
}

func (c *cluster) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.err = err
}

func (c *cluster) requests() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.asked
}

func (c *cluster) RequestAny(ctx context.Context, newRequest func() kmsg.Request) (kmsg.Response, error) {
	if _, ok := ctx.Deadline(); !ok {
		return nil, errors.New("the request has no deadline")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked++
	if c.hang {
		c.mu.Unlock()
		<-ctx.Done()
		c.mu.Lock()
		return nil, ctx.Err()
	}
	if c.err != nil {
		return nil, c.err
	}
	req := newRequest().(*kmsg.DescribeACLsRequest)
	if req.ResourceType != kmsg.ACLResourceTypeTopic || req.ResourcePatternType != kmsg.ACLResourcePatternTypeAny ||
		req.ResourceName != nil || req.Principal != nil || req.Host != nil ||
		req.Operation != kmsg.ACLOperationAny || req.PermissionType != kmsg.ACLPermissionTypeAny {
		return nil, errors.New("the request does not ask for all ACLs of topics")
	}
	answer := req.ResponseKind().(*kmsg.DescribeACLsResponse)
	answer.ErrorCode = c.code
	// Of another resource, although nobody asked.
	answer.Resources = append(answer.Resources, kmsg.DescribeACLsResponseResource{
		ResourceType: kmsg.ACLResourceTypeGroup, ResourceName: "*", ResourcePatternType: literal,
		ACLs: []kmsg.DescribeACLsResponseResourceACL{{Principal: "User:*", Host: "*", Operation: all, PermissionType: deny}},
	})
	for _, one := range c.acls {
		answer.Resources = append(answer.Resources, kmsg.DescribeACLsResponseResource{
			ResourceType: kmsg.ACLResourceTypeTopic, ResourceName: one.name, ResourcePatternType: one.pattern,
			ACLs: []kmsg.DescribeACLsResponseResourceACL{{
				Principal: one.principal, Host: one.host, Operation: one.operation, PermissionType: one.permission,
			}},
		})
	}
	return answer, nil
}

// snapshot returns what a Reader makes of ACLs.
func snapshot(t interface {
	Helper()
	Fatal(...any)
}, list ...acl,
) *acls.Snapshot {
	t.Helper()
	r, err := acls.New(acls.Config{Cluster: &cluster{acls: list}, Refresh: 1, MaxAge: 1})
	if err == nil {
		err = r.Read(context.Background())
	}
	if err != nil {
		t.Fatal(err)
	}
	return r.Current()
}
